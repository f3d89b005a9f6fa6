-- When whoever can review a run is told that the review is overdue; gone once it is reviewed.
ALTER TABLE break_glass ADD COLUMN remind_at TIMESTAMP;
UPDATE break_glass SET remind_at = review_by WHERE reviewed_at IS NULL;
CREATE INDEX break_glass_by_reminder ON break_glass (remind_at, run);

-- Two more kinds of notices.
ALTER TABLE notices DROP CONSTRAINT notices_kind_check;
ALTER TABLE notices ADD CONSTRAINT notices_kind_check CHECK (kind IN ('approval_asked', 'approval_reminder', 'approval_signed', 'approval_escalated', 'approval_decided', 'approval_pushed_back', 'approval_void', 'break_glass', 'review_overdue', 'delegated', 'run_ended', 'rule_escalated', 'general'));
