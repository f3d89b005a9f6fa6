-- Accounts that name the same person are one human being. The own name where it is empty.
ALTER TABLE users ADD COLUMN person TEXT COLLATE "C";

ALTER TABLE approvals DROP CONSTRAINT approvals_state_check;
ALTER TABLE approvals ADD CONSTRAINT approvals_state_check
  CHECK (state IN ('pending', 'pushed_back', 'approved', 'rejected', 'expired', 'void', 'used'));
-- The accounts of the requester when they asked.
ALTER TABLE approvals ADD COLUMN known_as TEXT;
UPDATE approvals SET known_as = '[]';
ALTER TABLE approvals ALTER COLUMN known_as SET NOT NULL;
-- The first request of those that were asked again one after another.
ALTER TABLE approvals ADD COLUMN thread TEXT COLLATE "C";
UPDATE approvals SET thread = id;
ALTER TABLE approvals ALTER COLUMN thread SET NOT NULL;
ALTER TABLE approvals ADD COLUMN replaces TEXT COLLATE "C";
ALTER TABLE approvals ADD COLUMN replaced_by TEXT COLLATE "C";
-- A request that was approved before has had its one run, or will not have it any more.
UPDATE approvals SET state = 'used'
  WHERE state = 'approved' AND run IN (SELECT number FROM runs WHERE started_at IS NOT NULL);
UPDATE approvals SET state = 'void', void_reason = 'The run ended before it started.'
  WHERE state = 'approved' AND run IN (SELECT number FROM runs WHERE started_at IS NULL AND ended_at IS NOT NULL);
CREATE INDEX approvals_by_thread ON approvals (thread, created_at, id);

-- Who approved may still push back or reject, so the answer is part of the key.
ALTER TABLE signatures DROP CONSTRAINT signatures_pkey;
ALTER TABLE signatures ALTER COLUMN verdict TYPE TEXT COLLATE "C";
ALTER TABLE signatures ADD PRIMARY KEY (approval, user_name, verdict);
ALTER TABLE signatures DROP CONSTRAINT signatures_verdict_check;
ALTER TABLE signatures ADD CONSTRAINT signatures_verdict_check CHECK (verdict IN ('approve', 'push_back', 'reject'));
-- The accounts of the signer when they signed.
ALTER TABLE signatures ADD COLUMN known_as TEXT;
UPDATE signatures SET known_as = '[]';
ALTER TABLE signatures ALTER COLUMN known_as SET NOT NULL;
-- In whose name they spoke beside their own.
ALTER TABLE signatures ADD COLUMN on_behalf_of TEXT COLLATE "C";
