-- Names the step's directory on its node, so that whoever takes the run over can find it there.
ALTER TABLE run_steps ADD COLUMN ticket TEXT;
-- How long servers have worked on the run, by their own steady clocks.
ALTER TABLE runs ADD COLUMN worked_ms BIGINT NOT NULL DEFAULT 0;
