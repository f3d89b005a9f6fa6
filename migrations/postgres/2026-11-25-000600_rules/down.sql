DROP TABLE rule_states;
DROP TABLE rule_claims;
DROP TABLE enforcements;
DROP TABLE verdicts;
DROP INDEX events_unmatched;
ALTER TABLE events DROP COLUMN match_until;
ALTER TABLE events DROP COLUMN match_claim;
ALTER TABLE events DROP COLUMN matched;
ALTER TABLE events DROP COLUMN depth;
