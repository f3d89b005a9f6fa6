CREATE TABLE audit (
  seq BIGINT PRIMARY KEY NOT NULL,
  at TIMESTAMP NOT NULL,
  actor TEXT NOT NULL,
  source TEXT NOT NULL,
  action TEXT NOT NULL,
  resource TEXT NOT NULL,
  project TEXT,
  detail TEXT NOT NULL,
  previous TEXT NOT NULL,
  hash TEXT NOT NULL
);
CREATE INDEX audit_by_actor ON audit (actor, seq);
CREATE INDEX audit_by_action ON audit (action, seq);
CREATE INDEX audit_by_resource ON audit (resource, seq);
CREATE INDEX audit_by_project ON audit (project, seq);
CREATE INDEX audit_by_time ON audit (at, seq);
CREATE TRIGGER audit_not_updated BEFORE UPDATE ON audit BEGIN
  SELECT RAISE(ABORT, 'an audit entry is never changed');
END;
CREATE TRIGGER audit_not_deleted BEFORE DELETE ON audit BEGIN
  SELECT RAISE(ABORT, 'an audit entry is never changed');
END;

-- The end of the chain. Updating this one row is what puts appends in a line: a number that is rolled back is given
-- again, so there is never a gap.
CREATE TABLE audit_head (
  only_one INTEGER PRIMARY KEY NOT NULL CHECK (only_one = 1),
  seq BIGINT NOT NULL,
  hash TEXT NOT NULL
);
INSERT INTO audit_head (only_one, seq, hash) VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
