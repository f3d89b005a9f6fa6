CREATE TABLE runs (
  number INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  project TEXT NOT NULL REFERENCES projects (name),
  job_id TEXT NOT NULL,
  job_path TEXT NOT NULL,
  job_revision BIGINT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending_approval', 'scheduled', 'queued', 'running', 'succeeded', 'failed',
    'timed_out', 'canceling', 'canceled', 'rejected', 'expired', 'unknown', 'dry_run')),
  requester TEXT NOT NULL,
  origin_word TEXT NOT NULL,
  origin TEXT NOT NULL,
  reason TEXT NOT NULL,
  plan TEXT NOT NULL,
  plan_digest TEXT NOT NULL,
  environment TEXT,
  start_at TIMESTAMP,
  created_at TIMESTAMP NOT NULL,
  queued_at TIMESTAMP,
  started_at TIMESTAMP,
  ended_at TIMESTAMP,
  end_reason TEXT NOT NULL,
  approval_id TEXT,
  attempt INTEGER NOT NULL,
  lease_owner TEXT,
  lease_until TIMESTAMP,
  fence BIGINT NOT NULL,
  concurrency_key TEXT,
  log_bytes BIGINT NOT NULL,
  log_truncated BOOLEAN NOT NULL
);
CREATE INDEX runs_by_project ON runs (project, number);
CREATE INDEX runs_by_job ON runs (project, job_id, number);
CREATE INDEX runs_by_job_and_state ON runs (project, job_id, state, number);
CREATE INDEX runs_by_state ON runs (state, number);
CREATE INDEX runs_by_project_and_state ON runs (project, state, number);
CREATE INDEX runs_by_requester ON runs (requester, number);
CREATE INDEX runs_by_time ON runs (created_at, number);
CREATE INDEX runs_in_queue ON runs (state, queued_at, number);
CREATE INDEX runs_by_start ON runs (state, start_at);
CREATE INDEX runs_by_lease ON runs (state, lease_until);
CREATE INDEX runs_by_concurrency_key ON runs (concurrency_key, state);

CREATE TABLE run_options (
  run BIGINT NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  -- Values can be longer than an index entry may be, so they are looked up by digest.
  value_digest TEXT NOT NULL,
  PRIMARY KEY (run, name)
);
CREATE INDEX run_options_by_value ON run_options (name, value_digest, run);

CREATE TABLE run_nodes (
  run BIGINT NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
  node TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (run, node)
);
CREATE INDEX run_nodes_by_node ON run_nodes (node, run);

CREATE TABLE run_steps (
  run BIGINT NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
  node TEXT NOT NULL,
  step_index INTEGER NOT NULL,
  step_name TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'succeeded', 'failed', 'timed_out', 'canceled', 'skipped',
    'unknown')),
  exit_code INTEGER,
  message TEXT NOT NULL,
  started_at TIMESTAMP,
  ended_at TIMESTAMP,
  PRIMARY KEY (run, node, step_index, attempt)
);
