-- Accounts that name the same person are one human being. The own name where it is empty.
ALTER TABLE users ADD COLUMN person TEXT;

CREATE TABLE old_signatures AS SELECT * FROM signatures;
DROP TABLE signatures;
CREATE TABLE old_approvals AS SELECT * FROM approvals;
DROP TABLE approvals;

CREATE TABLE approvals (
  id TEXT PRIMARY KEY NOT NULL,
  run BIGINT NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
  project TEXT NOT NULL REFERENCES projects (name),
  job_path TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'pushed_back', 'approved', 'rejected', 'expired', 'void', 'used')),
  policy TEXT NOT NULL,
  need TEXT NOT NULL,
  plan_digest TEXT NOT NULL,
  requester TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  expires_at TIMESTAMP NOT NULL,
  decided_at TIMESTAMP,
  void_reason TEXT,
  -- The accounts of the requester when they asked.
  known_as TEXT NOT NULL,
  -- The first request of those that were asked again one after another.
  thread TEXT NOT NULL,
  replaces TEXT,
  replaced_by TEXT
);
INSERT INTO approvals
  SELECT id, run, project, job_path, state, policy, need, plan_digest, requester, created_at, expires_at, decided_at,
    void_reason, '[]', id, NULL, NULL
  FROM old_approvals;
DROP TABLE old_approvals;
-- A request that was approved before has had its one run, or will not have it any more.
UPDATE approvals SET state = 'used'
  WHERE state = 'approved' AND run IN (SELECT number FROM runs WHERE started_at IS NOT NULL);
UPDATE approvals SET state = 'void', void_reason = 'The run ended before it started.'
  WHERE state = 'approved' AND run IN (SELECT number FROM runs WHERE started_at IS NULL AND ended_at IS NOT NULL);
CREATE INDEX approvals_by_state ON approvals (state, created_at, id);
CREATE INDEX approvals_by_project ON approvals (project, created_at, id);
CREATE INDEX approvals_by_project_and_state ON approvals (project, state, created_at, id);
CREATE INDEX approvals_by_time ON approvals (created_at, id);
CREATE INDEX approvals_by_run ON approvals (run);
CREATE INDEX approvals_by_expiry ON approvals (state, expires_at);
CREATE INDEX approvals_by_thread ON approvals (thread, created_at, id);

-- Who approved may still push back or reject, so the answer is part of the key.
CREATE TABLE signatures (
  approval TEXT NOT NULL REFERENCES approvals (id) ON DELETE CASCADE,
  user_name TEXT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'push_back', 'reject')),
  reason TEXT NOT NULL,
  roles TEXT NOT NULL,
  digest TEXT NOT NULL,
  source TEXT NOT NULL,
  signed_at TIMESTAMP NOT NULL,
  -- The accounts of the signer when they signed.
  known_as TEXT NOT NULL,
  -- In whose name they spoke beside their own.
  on_behalf_of TEXT,
  PRIMARY KEY (approval, user_name, verdict)
);
INSERT INTO signatures
  SELECT approval, user_name, verdict, reason, roles, digest, source, signed_at, '[]', NULL FROM old_signatures;
DROP TABLE old_signatures;
