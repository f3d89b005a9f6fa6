DROP TABLE slack_presses;
DROP INDEX users_by_slack;
ALTER TABLE users DROP COLUMN slack;
ALTER TABLE users DROP COLUMN email;
