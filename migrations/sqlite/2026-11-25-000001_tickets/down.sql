ALTER TABLE run_steps DROP COLUMN ticket;
ALTER TABLE runs DROP COLUMN worked_ms;
