CREATE TABLE new_signatures AS SELECT * FROM signatures;
DROP TABLE signatures;
CREATE TABLE new_approvals AS SELECT * FROM approvals;
DROP TABLE approvals;

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
INSERT INTO approvals
  SELECT id, run, project, job_path,
    CASE state WHEN 'used' THEN 'approved' WHEN 'pushed_back' THEN 'rejected' ELSE state END,
    policy, need, plan_digest, requester, created_at, expires_at, decided_at, void_reason
  FROM new_approvals;
DROP TABLE new_approvals;
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
-- Of somebody who approved and then said no, the no is kept.
INSERT INTO signatures
  SELECT approval, user_name, CASE verdict WHEN 'push_back' THEN 'reject' ELSE verdict END, reason, roles, digest, source,
    signed_at
  FROM new_signatures s
  WHERE verdict <> 'approve' OR NOT EXISTS (
    SELECT 1 FROM new_signatures o
    WHERE o.approval = s.approval AND o.user_name = s.user_name AND o.verdict <> 'approve');
DROP TABLE new_signatures;
ALTER TABLE users DROP COLUMN person;
