DELETE FROM notices WHERE kind IN ('rule_told', 'rule_demoted');
DROP INDEX notices_by_rule;
ALTER TABLE notices DROP COLUMN gather_until;
ALTER TABLE notices DROP COLUMN more;
ALTER TABLE notices DROP COLUMN event;
ALTER TABLE notices DROP COLUMN rule;
ALTER TABLE notices DROP CONSTRAINT notices_kind_check;
ALTER TABLE notices ADD CONSTRAINT notices_kind_check CHECK (kind IN ('approval_asked', 'approval_reminder', 'approval_signed', 'approval_escalated', 'approval_decided', 'approval_pushed_back', 'approval_void', 'break_glass', 'review_overdue', 'delegated', 'run_ended', 'rule_escalated', 'general'));
