-- What rules tell people: kinds of their own, which rule and event it is about, how many more events a notice stands for,
-- and until when what the same rule tells the same people is put together. SQLite changes no check of a table that is
-- there, so both tables are made anew.
CREATE TABLE kept_deliveries AS SELECT * FROM notice_deliveries;
DROP TABLE notice_deliveries;
CREATE TABLE kept_notices AS SELECT * FROM notices;
DROP TABLE notices;
CREATE TABLE notices (
  id TEXT PRIMARY KEY NOT NULL,
  project TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('approval_asked', 'approval_reminder', 'approval_signed', 'approval_escalated', 'approval_decided', 'approval_pushed_back', 'approval_void', 'break_glass', 'review_overdue', 'delegated', 'run_ended', 'rule_told', 'rule_escalated', 'rule_demoted', 'general')),
  approval TEXT,
  run BIGINT,
  audience TEXT NOT NULL,
  actor TEXT,
  words TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'addressed', 'failed')),
  attempts INTEGER NOT NULL,
  next_at TIMESTAMP NOT NULL,
  error TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  rule TEXT,
  event TEXT,
  more INTEGER NOT NULL DEFAULT 0,
  gather_until TIMESTAMP
);
INSERT INTO notices SELECT id, project, kind, approval, run, audience, actor, words, state, attempts, next_at, error, created_at, NULL, NULL, 0, NULL FROM kept_notices;
CREATE TABLE notice_deliveries (
  notice TEXT NOT NULL REFERENCES notices (id) ON DELETE CASCADE,
  channel TEXT NOT NULL,
  recipient TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'unneeded', 'failed')),
  attempts INTEGER NOT NULL,
  next_at TIMESTAMP NOT NULL,
  sent_at TIMESTAMP,
  error TEXT NOT NULL,
  PRIMARY KEY (notice, channel, recipient)
);
INSERT INTO notice_deliveries SELECT * FROM kept_deliveries;
DROP TABLE kept_notices;
DROP TABLE kept_deliveries;
CREATE INDEX notices_by_state ON notices (state, next_at, id);
CREATE INDEX notices_by_time ON notices (created_at, id);
CREATE INDEX notices_by_rule ON notices (project, rule, gather_until);
CREATE INDEX notice_deliveries_by_state ON notice_deliveries (state, next_at, notice, channel, recipient);
