CREATE TABLE audit (
  seq BIGINT PRIMARY KEY NOT NULL,
  at TIMESTAMP NOT NULL,
  actor TEXT COLLATE "C" NOT NULL,
  source TEXT NOT NULL,
  action TEXT COLLATE "C" NOT NULL,
  resource TEXT COLLATE "C" NOT NULL,
  project TEXT COLLATE "C",
  detail TEXT NOT NULL,
  previous TEXT NOT NULL,
  hash TEXT NOT NULL
);
CREATE INDEX audit_by_actor ON audit (actor, seq);
CREATE INDEX audit_by_action ON audit (action, seq);
CREATE INDEX audit_by_resource ON audit (resource, seq);
CREATE INDEX audit_by_project ON audit (project, seq);
CREATE INDEX audit_by_time ON audit (at, seq);
CREATE FUNCTION audit_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'an audit entry is never changed';
END
$$;
CREATE TRIGGER audit_frozen BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_frozen();
CREATE TRIGGER audit_not_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_frozen();

-- The end of the chain. Updating this one row is what puts appends in a line: a number that is rolled back is given
-- again, so there is never a gap.
CREATE TABLE audit_head (
  only_one INTEGER PRIMARY KEY NOT NULL CHECK (only_one = 1),
  seq BIGINT NOT NULL,
  hash TEXT NOT NULL
);
INSERT INTO audit_head (only_one, seq, hash) VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
