CREATE TABLE approvals (
  id TEXT PRIMARY KEY NOT NULL,
  run BIGINT NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
  project TEXT NOT NULL REFERENCES projects (name),
  job_path TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'expired', 'void')),
  policy TEXT NOT NULL,
  need TEXT NOT NULL,
  plan_digest TEXT NOT NULL,
  requester TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  expires_at TIMESTAMP NOT NULL,
  decided_at TIMESTAMP,
  void_reason TEXT
);
CREATE INDEX approvals_by_state ON approvals (state, created_at, id);
CREATE INDEX approvals_by_project ON approvals (project, created_at, id);
CREATE INDEX approvals_by_project_and_state ON approvals (project, state, created_at, id);
CREATE INDEX approvals_by_time ON approvals (created_at, id);
CREATE INDEX approvals_by_run ON approvals (run);
CREATE INDEX approvals_by_expiry ON approvals (state, expires_at);

CREATE TABLE signatures (
  approval TEXT NOT NULL REFERENCES approvals (id) ON DELETE CASCADE,
  user_name TEXT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'reject')),
  reason TEXT NOT NULL,
  roles TEXT NOT NULL,
  digest TEXT NOT NULL,
  source TEXT NOT NULL,
  signed_at TIMESTAMP NOT NULL,
  PRIMARY KEY (approval, user_name)
);
