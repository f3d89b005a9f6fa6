-- A new kind of definition.
ALTER TABLE definitions DROP CONSTRAINT definitions_kind_check;
ALTER TABLE definitions ADD CONSTRAINT definitions_kind_check
  CHECK (kind IN ('project', 'nodes', 'access', 'job', 'rule', 'webhook', 'source'));

-- Where each source stands: on one place for all servers, or on each machine that has what it follows.
CREATE TABLE source_states (
  definition_id TEXT NOT NULL,
  place TEXT COLLATE "C" NOT NULL,
  project TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
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
