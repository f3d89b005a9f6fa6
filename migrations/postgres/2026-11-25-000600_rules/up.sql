-- Which events rules still have to look at, who looks, and how many runs stand between an event and the world outside.
-- The events of before are nobody's to look at.
ALTER TABLE events ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN matched BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE events ADD COLUMN match_claim TEXT;
ALTER TABLE events ADD COLUMN match_until TIMESTAMP;
CREATE INDEX events_unmatched ON events (received_at, id) WHERE NOT matched;

-- What a rule made of an event.
CREATE TABLE verdicts (
  event_id TEXT NOT NULL,
  definition_id TEXT NOT NULL,
  revision BIGINT NOT NULL,
  project TEXT COLLATE "C" NOT NULL,
  rule TEXT COLLATE "C" NOT NULL,
  live BOOLEAN NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('not_matched', 'held', 'refused', 'would', 'notified', 'nothing', 'ran')),
  detail TEXT NOT NULL,
  criteria TEXT NOT NULL,
  guards TEXT NOT NULL,
  proposal TEXT,
  run BIGINT,
  created_at TIMESTAMP NOT NULL,
  PRIMARY KEY (event_id, definition_id, revision)
);
CREATE INDEX verdicts_by_rule ON verdicts (definition_id, created_at, event_id);

-- What a rule did, or in dry run would have done: once for each event and revision.
CREATE TABLE enforcements (
  id TEXT NOT NULL PRIMARY KEY,
  event_id TEXT NOT NULL,
  definition_id TEXT NOT NULL,
  revision BIGINT NOT NULL,
  project TEXT COLLATE "C" NOT NULL,
  rule TEXT COLLATE "C" NOT NULL,
  live BOOLEAN NOT NULL,
  action TEXT NOT NULL,
  rate_key TEXT,
  breaker_key TEXT,
  nodes INTEGER NOT NULL,
  run BIGINT,
  created_at TIMESTAMP NOT NULL,
  mark TEXT CHECK (mark IN ('right', 'wrong')),
  marked_by TEXT,
  marked_at TIMESTAMP
);
CREATE UNIQUE INDEX enforcements_once ON enforcements (event_id, definition_id, revision);
CREATE INDEX enforcements_by_rule ON enforcements (definition_id, live, created_at);
CREATE INDEX enforcements_by_run ON enforcements (run);

-- Who has a dedupe key, and until when.
CREATE TABLE rule_claims (
  definition_id TEXT NOT NULL,
  live BOOLEAN NOT NULL,
  key TEXT NOT NULL,
  event_id TEXT NOT NULL,
  until TIMESTAMP NOT NULL,
  PRIMARY KEY (definition_id, live, key)
);
CREATE INDEX rule_claims_by_time ON rule_claims (until);

-- Where a text of a rule stands: promoted or not, and its breaker. A text is known by its digest.
CREATE TABLE rule_states (
  definition_id TEXT NOT NULL,
  digest TEXT NOT NULL,
  project TEXT COLLATE "C" NOT NULL,
  rule TEXT COLLATE "C" NOT NULL,
  live_revision BIGINT,
  asked_by TEXT,
  asked_at TIMESTAMP,
  promoted_by TEXT,
  promoted_at TIMESTAMP,
  breaker TEXT NOT NULL CHECK (breaker IN ('closed', 'open', 'half_open')),
  breaker_since TIMESTAMP,
  breaker_reason TEXT NOT NULL,
  breaker_probe TEXT,
  changes BIGINT NOT NULL,
  PRIMARY KEY (definition_id, digest)
);
