-- A new kind of definition: words of a chat that ask for a run. SQLite changes no check, so the table is made anew; what
-- points to it is held to at the end.
PRAGMA defer_foreign_keys = ON;
CREATE TEMP TABLE definitions_before AS SELECT * FROM definitions;
DROP TABLE definitions;
CREATE TABLE definitions (
  id TEXT PRIMARY KEY NOT NULL,
  project TEXT NOT NULL REFERENCES projects (name),
  kind TEXT NOT NULL CHECK (kind IN ('project', 'nodes', 'access', 'job', 'rule', 'webhook', 'source', 'enricher', 'alias')),
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
