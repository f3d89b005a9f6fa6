ALTER TABLE runs ADD COLUMN plan TEXT NOT NULL DEFAULT '';
UPDATE runs SET plan = (SELECT run_plans.plan FROM run_plans WHERE run_plans.run = runs.number);
DROP TABLE run_plans;
