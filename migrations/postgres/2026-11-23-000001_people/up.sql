CREATE TABLE installation (
  only_one INTEGER PRIMARY KEY NOT NULL CHECK (only_one = 1),
  id TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL
);

CREATE TABLE projects (
  name TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  created_at TIMESTAMP NOT NULL
);

CREATE TABLE users (
  name TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  password_hash TEXT,
  group_names TEXT NOT NULL,
  administrator BOOLEAN NOT NULL,
  active BOOLEAN NOT NULL,
  created_at TIMESTAMP NOT NULL,
  password_changed_at TIMESTAMP
);

-- By account and not by address, also for accounts that do not exist: both are slowed down alike.
CREATE TABLE login_failures (
  account TEXT PRIMARY KEY NOT NULL,
  failures INTEGER NOT NULL CHECK (failures > 0),
  last_at TIMESTAMP NOT NULL
);
CREATE INDEX login_failures_by_time ON login_failures (last_at);

CREATE TABLE setup_links (
  token_hash TEXT PRIMARY KEY NOT NULL,
  created_at TIMESTAMP NOT NULL,
  used_at TIMESTAMP
);

CREATE TABLE sessions (
  id_hash TEXT PRIMARY KEY NOT NULL,
  user_name TEXT COLLATE "C" NOT NULL REFERENCES users (name),
  csrf TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  last_seen_at TIMESTAMP NOT NULL,
  authenticated_at TIMESTAMP NOT NULL,
  expires_at TIMESTAMP NOT NULL,
  ended_at TIMESTAMP,
  ip TEXT NOT NULL,
  user_agent TEXT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_name, created_at, id_hash);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE api_tokens (
  id TEXT PRIMARY KEY NOT NULL,
  token_hash TEXT NOT NULL UNIQUE,
  principal TEXT COLLATE "C" NOT NULL,
  label TEXT NOT NULL,
  scopes TEXT,
  created_at TIMESTAMP NOT NULL,
  expires_at TIMESTAMP,
  last_used_at TIMESTAMP,
  revoked_at TIMESTAMP
);
CREATE INDEX api_tokens_by_principal ON api_tokens (principal, created_at, id);
CREATE INDEX api_tokens_by_time ON api_tokens (created_at, id);
