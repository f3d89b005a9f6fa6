-- Where whoever started a run by a command in Slack hears how it ended, for as long as Slack takes answers there. Sealed, as
-- the address lets anybody write there.
CREATE TABLE slack_answers (
  run BIGINT PRIMARY KEY NOT NULL,
  nonce BYTEA NOT NULL,
  cipher BYTEA NOT NULL,
  key_version INTEGER NOT NULL,
  until TIMESTAMP NOT NULL
);
CREATE INDEX slack_answers_by_time ON slack_answers (until);
