CREATE TABLE webhook_tokens (
  project TEXT NOT NULL REFERENCES projects (name),
  name TEXT NOT NULL,
  nonce BLOB NOT NULL,
  token_hash TEXT NOT NULL UNIQUE,
  created_at TIMESTAMP NOT NULL,
  PRIMARY KEY (project, name)
);

CREATE TABLE events (
  id TEXT PRIMARY KEY NOT NULL,
  project TEXT NOT NULL REFERENCES projects (name),
  source TEXT NOT NULL,
  event_type TEXT NOT NULL,
  payload TEXT NOT NULL,
  headers TEXT NOT NULL,
  dedupe_key TEXT NOT NULL,
  received_at TIMESTAMP NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('ran', 'dry_run', 'not_matched', 'refused', 'pending')),
  detail TEXT NOT NULL,
  run BIGINT
);
CREATE UNIQUE INDEX events_once ON events (project, source, dedupe_key);
CREATE INDEX events_by_project ON events (project, received_at, id);
CREATE INDEX events_by_source ON events (project, source, received_at, id);
CREATE INDEX events_by_time ON events (received_at, id);
CREATE INDEX events_pending ON events (verdict, received_at, id);

CREATE TABLE idempotency (
  principal TEXT NOT NULL,
  key TEXT NOT NULL,
  route TEXT NOT NULL,
  request_digest TEXT NOT NULL,
  status INTEGER,
  body TEXT,
  created_at TIMESTAMP NOT NULL,
  PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_by_time ON idempotency (created_at);
