-- One row a key version: a known text under that key, so that a wrong root key is found at start.
CREATE TABLE vault_checks (
  key_version INTEGER PRIMARY KEY NOT NULL,
  nonce BYTEA NOT NULL,
  cipher BYTEA NOT NULL,
  created_at TIMESTAMP NOT NULL
);

CREATE TABLE secrets (
  path TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL CHECK (version > 0),
  kind TEXT NOT NULL CHECK (kind IN ('private_key', 'password', 'secret')),
  nonce BYTEA NOT NULL,
  cipher BYTEA NOT NULL,
  key_version INTEGER NOT NULL,
  created_at TIMESTAMP NOT NULL,
  created_by TEXT NOT NULL,
  deleted BOOLEAN NOT NULL,
  PRIMARY KEY (path, version)
);

CREATE TABLE blobs (
  id TEXT PRIMARY KEY NOT NULL,
  project TEXT COLLATE "C" NOT NULL REFERENCES projects (name),
  kind TEXT NOT NULL CHECK (kind IN ('file', 'typed_secret')),
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size BIGINT NOT NULL CHECK (size >= 0),
  nonce BYTEA NOT NULL,
  cipher BYTEA NOT NULL,
  key_version INTEGER NOT NULL,
  created_at TIMESTAMP NOT NULL,
  created_by TEXT NOT NULL
);
CREATE INDEX blobs_by_time ON blobs (created_at);

CREATE TABLE host_keys (
  project TEXT COLLATE "C" NOT NULL REFERENCES projects (name),
  host TEXT COLLATE "C" NOT NULL,
  port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
  kind TEXT COLLATE "C" NOT NULL,
  key_base64 TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  enrolled_by TEXT NOT NULL,
  enrolled_at TIMESTAMP NOT NULL,
  PRIMARY KEY (project, host, port, kind)
);
