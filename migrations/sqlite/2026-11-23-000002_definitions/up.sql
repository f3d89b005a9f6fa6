CREATE TABLE definitions (
  id TEXT PRIMARY KEY NOT NULL,
  project TEXT NOT NULL REFERENCES projects (name),
  kind TEXT NOT NULL CHECK (kind IN ('project', 'nodes', 'access', 'job', 'rule', 'webhook')),
  name TEXT NOT NULL,
  job_id TEXT,
  revision BIGINT NOT NULL CHECK (revision > 0),
  digest TEXT NOT NULL,
  updated_at TIMESTAMP NOT NULL,
  deleted_at TIMESTAMP
);
CREATE UNIQUE INDEX definitions_by_name ON definitions (project, kind, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX definitions_by_job_id ON definitions (project, job_id) WHERE deleted_at IS NULL AND job_id IS NOT NULL;
CREATE INDEX definitions_by_kind ON definitions (kind, project, name);

CREATE TABLE revisions (
  definition_id TEXT NOT NULL REFERENCES definitions (id),
  revision BIGINT NOT NULL CHECK (revision > 0),
  digest TEXT NOT NULL,
  source TEXT NOT NULL,
  canonical TEXT NOT NULL,
  author TEXT NOT NULL,
  message TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  PRIMARY KEY (definition_id, revision)
);
CREATE TRIGGER revisions_not_updated BEFORE UPDATE ON revisions BEGIN
  SELECT RAISE(ABORT, 'a revision is never changed, save a new one');
END;
CREATE TRIGGER revisions_not_deleted BEFORE DELETE ON revisions BEGIN
  SELECT RAISE(ABORT, 'a revision is never changed, save a new one');
END;
