-- The runbooks that stand as big buttons on somebody's start page.
CREATE TABLE pinned_jobs (
  user_name TEXT COLLATE "C" NOT NULL REFERENCES users (name),
  project TEXT COLLATE "C" NOT NULL,
  job_id TEXT COLLATE "C" NOT NULL,
  pinned_at TIMESTAMP NOT NULL,
  PRIMARY KEY (user_name, project, job_id)
);
-- "What did the webhooks start?" is a list of its own.
CREATE INDEX runs_by_origin ON runs (origin_word, number);
