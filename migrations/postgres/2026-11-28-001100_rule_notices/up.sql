-- What rules tell people: kinds of their own, which rule and event it is about, how many more events a notice stands for,
-- and until when what the same rule tells the same people is put together.
ALTER TABLE notices DROP CONSTRAINT notices_kind_check;
ALTER TABLE notices ADD CONSTRAINT notices_kind_check CHECK (kind IN ('approval_asked', 'approval_reminder', 'approval_signed', 'approval_escalated', 'approval_decided', 'approval_pushed_back', 'approval_void', 'break_glass', 'review_overdue', 'delegated', 'run_ended', 'rule_told', 'rule_escalated', 'rule_demoted', 'general'));
ALTER TABLE notices ADD COLUMN rule TEXT COLLATE "C";
ALTER TABLE notices ADD COLUMN event TEXT COLLATE "C";
ALTER TABLE notices ADD COLUMN more INTEGER NOT NULL DEFAULT 0;
ALTER TABLE notices ADD COLUMN gather_until TIMESTAMP;
CREATE INDEX notices_by_rule ON notices (project, rule, gather_until);
