-- Rules held against stored events: how far each is, and what came of it.
CREATE TABLE backtests (
  id TEXT NOT NULL PRIMARY KEY,
  project TEXT NOT NULL,
  rule TEXT NOT NULL,
  definition_id TEXT,
  text TEXT NOT NULL,
  since TIMESTAMP NOT NULL,
  until TIMESTAMP NOT NULL,
  asked_by TEXT NOT NULL,
  asked_at TIMESTAMP NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'canceled')),
  looked_at BIGINT NOT NULL,
  total BIGINT NOT NULL,
  report TEXT,
  error TEXT NOT NULL,
  claim TEXT,
  claim_until TIMESTAMP,
  ended_at TIMESTAMP
);
CREATE INDEX backtests_by_rule ON backtests (project, rule, asked_at, id);
CREATE INDEX backtests_open ON backtests (asked_at, id) WHERE ended_at IS NULL;
CREATE INDEX backtests_by_age ON backtests (asked_at);
