ALTER TABLE run_steps DROP COLUMN begun;
