-- Where the output of ended runs is in a bucket. A row outlives its run until the objects are removed as well, so it
-- does not refer to it.
CREATE TABLE log_archives (
  run BIGINT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'stored', 'unwanted')),
  installation TEXT NOT NULL,
  objects TEXT NOT NULL,
  failed INTEGER NOT NULL,
  error TEXT NOT NULL,
  next_at TIMESTAMP NOT NULL,
  stored_at TIMESTAMP
);
CREATE INDEX log_archives_by_state ON log_archives (state, next_at);
