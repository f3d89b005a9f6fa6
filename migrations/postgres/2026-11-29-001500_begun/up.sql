-- Whether the node said that it began a step that writes nothing: the log says it of all others. Where it did, a node that
-- knows nothing of the step any more does not start it again.
ALTER TABLE run_steps ADD COLUMN begun BOOLEAN NOT NULL DEFAULT FALSE;
