-- A new kind of definition. SQLite changes no check, so the table is made anew; what points to it is held to at the end.
PRAGMA defer_foreign_keys = ON;
CREATE TEMP TABLE definitions_before AS SELECT * FROM definitions;
DROP TABLE definitions;
CREATE TABLE definitions (
  id TEXT PRIMARY KEY NOT NULL,
  project TEXT NOT NULL REFERENCES projects (name),
  kind TEXT NOT NULL CHECK (kind IN ('project', 'nodes', 'access', 'job', 'rule', 'webhook', 'source')),
  name TEXT NOT NULL,
  job_id TEXT,
  revision BIGINT NOT NULL CHECK (revision > 0),
  digest TEXT NOT NULL,
  updated_at TIMESTAMP NOT NULL,
  deleted_at TIMESTAMP
);
INSERT INTO definitions (id, project, kind, name, job_id, revision, digest, updated_at, deleted_at)
  SELECT id, project, kind, name, job_id, revision, digest, updated_at, deleted_at FROM definitions_before;
DROP TABLE definitions_before;
CREATE UNIQUE INDEX definitions_by_name ON definitions (project, kind, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX definitions_by_job_id ON definitions (project, job_id) WHERE deleted_at IS NULL AND job_id IS NOT NULL;
CREATE INDEX definitions_by_kind ON definitions (kind, project, name);

-- Where each source stands: on one place for all servers, or on each machine that has what it follows.
CREATE TABLE source_states (
  definition_id TEXT NOT NULL,
  place TEXT NOT NULL,
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  position_digest TEXT NOT NULL,
  position TEXT NOT NULL,
  next_at TIMESTAMP,
  resting BOOLEAN NOT NULL,
  claim TEXT,
  claim_until TIMESTAMP,
  failures INTEGER NOT NULL,
  error TEXT NOT NULL,
  failed_at TIMESTAMP,
  event_at TIMESTAMP,
  changes BIGINT NOT NULL,
  PRIMARY KEY (definition_id, place)
);

-- What a source has seen already, and since when it was not there any more.
CREATE TABLE source_seen (
  definition_id TEXT NOT NULL,
  key TEXT NOT NULL,
  gone_at TIMESTAMP,
  PRIMARY KEY (definition_id, key)
);
CREATE INDEX source_seen_gone ON source_seen (definition_id, gone_at) WHERE gone_at IS NOT NULL;
