ALTER TABLE approvals DROP COLUMN escalated_at;
CREATE INDEX approvals_by_expiry ON approvals (state, expires_at);
DROP TABLE approval_timers;
