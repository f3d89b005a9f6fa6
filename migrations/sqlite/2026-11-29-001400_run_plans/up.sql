-- A plan is read when its run starts and is looked at; a run's row is read by every list and written again with every piece
-- of output. Over many nodes the plan is a hundred times as long as all the rest.
CREATE TABLE run_plans (
  run BIGINT NOT NULL PRIMARY KEY REFERENCES runs (number) ON DELETE CASCADE,
  plan TEXT NOT NULL
);
INSERT INTO run_plans (run, plan) SELECT number, plan FROM runs;
ALTER TABLE runs DROP COLUMN plan;
