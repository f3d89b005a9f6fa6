DELETE FROM notices WHERE kind IN ('approval_signed', 'review_overdue');
ALTER TABLE notices DROP CONSTRAINT notices_kind_check;
ALTER TABLE notices ADD CONSTRAINT notices_kind_check CHECK (kind IN ('approval_asked', 'approval_reminder', 'approval_escalated', 'approval_decided', 'approval_pushed_back', 'approval_void', 'break_glass', 'delegated', 'run_ended', 'rule_escalated', 'general'));
DROP INDEX break_glass_by_reminder;
ALTER TABLE break_glass DROP COLUMN remind_at;
