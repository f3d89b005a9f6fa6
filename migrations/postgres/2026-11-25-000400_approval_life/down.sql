DELETE FROM signatures s USING signatures o
  WHERE s.approval = o.approval AND s.user_name = o.user_name AND s.verdict = 'approve' AND o.verdict <> 'approve';
UPDATE signatures SET verdict = 'reject' WHERE verdict = 'push_back';
ALTER TABLE signatures DROP COLUMN on_behalf_of;
ALTER TABLE signatures DROP COLUMN known_as;
ALTER TABLE signatures DROP CONSTRAINT signatures_verdict_check;
ALTER TABLE signatures ADD CONSTRAINT signatures_verdict_check CHECK (verdict IN ('approve', 'reject'));
ALTER TABLE signatures DROP CONSTRAINT signatures_pkey;
ALTER TABLE signatures ADD PRIMARY KEY (approval, user_name);
DROP INDEX approvals_by_thread;
UPDATE approvals SET state = 'approved' WHERE state = 'used';
UPDATE approvals SET state = 'rejected' WHERE state = 'pushed_back';
ALTER TABLE approvals DROP COLUMN replaced_by;
ALTER TABLE approvals DROP COLUMN replaces;
ALTER TABLE approvals DROP COLUMN thread;
ALTER TABLE approvals DROP COLUMN known_as;
ALTER TABLE approvals DROP CONSTRAINT approvals_state_check;
ALTER TABLE approvals ADD CONSTRAINT approvals_state_check
  CHECK (state IN ('pending', 'approved', 'rejected', 'expired', 'void'));
ALTER TABLE users DROP COLUMN person;
