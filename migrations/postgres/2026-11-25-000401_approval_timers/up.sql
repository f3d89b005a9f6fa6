-- What time does to a request. A decision takes its timers away in the same transaction; none of them ever approves.
CREATE TABLE approval_timers (
  approval TEXT COLLATE "C" NOT NULL REFERENCES approvals (id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('expire', 'remind', 'escalate', 'start_window')),
  due_at TIMESTAMP NOT NULL,
  PRIMARY KEY (approval, kind)
);
CREATE INDEX approval_timers_by_time ON approval_timers (due_at, approval, kind);
INSERT INTO approval_timers SELECT id, 'expire', expires_at FROM approvals WHERE state = 'pending';
DROP INDEX approvals_by_expiry;
ALTER TABLE approvals ADD COLUMN escalated_at TIMESTAMP;
