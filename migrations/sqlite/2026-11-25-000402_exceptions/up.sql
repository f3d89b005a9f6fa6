-- Runs that did not wait for signatures, until somebody else has looked at them.
CREATE TABLE break_glass (
  run BIGINT PRIMARY KEY NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
  project TEXT NOT NULL REFERENCES projects (name),
  job_path TEXT NOT NULL,
  policy TEXT NOT NULL,
  plan_digest TEXT NOT NULL,
  user_name TEXT NOT NULL,
  -- The accounts of that person then.
  known_as TEXT NOT NULL,
  reason TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  review_by TIMESTAMP NOT NULL,
  reviewed_by TEXT,
  reviewed_at TIMESTAMP,
  note TEXT
);
CREATE INDEX break_glass_by_review ON break_glass (reviewed_at, created_at, run);
CREATE INDEX break_glass_by_time ON break_glass (created_at, run);

-- People who let somebody of their own role sign for them.
CREATE TABLE delegations (
  id TEXT PRIMARY KEY NOT NULL,
  project TEXT NOT NULL REFERENCES projects (name),
  role TEXT NOT NULL,
  from_user TEXT NOT NULL REFERENCES users (name),
  to_user TEXT NOT NULL REFERENCES users (name),
  reason TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  ends_at TIMESTAMP NOT NULL,
  ended_at TIMESTAMP
);
CREATE INDEX delegations_by_from ON delegations (from_user, ends_at);
CREATE INDEX delegations_by_to ON delegations (to_user, ends_at);
CREATE INDEX delegations_by_project ON delegations (project, ends_at);
