-- Where a person is reached.
ALTER TABLE users ADD COLUMN email TEXT;
ALTER TABLE users ADD COLUMN slack TEXT;
CREATE UNIQUE INDEX users_by_slack ON users (slack);

-- Presses of buttons in Slack that were taken, so that none counts twice.
CREATE TABLE slack_presses (
  digest TEXT PRIMARY KEY NOT NULL,
  pressed_at TIMESTAMP NOT NULL
);
CREATE INDEX slack_presses_by_time ON slack_presses (pressed_at);
