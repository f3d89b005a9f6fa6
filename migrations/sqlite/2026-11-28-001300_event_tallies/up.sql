-- How many events, and verdicts of rules on them, were removed when they had been kept long enough: by day. The rule is empty
-- where it is the event itself that is counted.
CREATE TABLE event_tallies (
  project TEXT NOT NULL,
  day TEXT NOT NULL,
  source TEXT NOT NULL,
  event_type TEXT NOT NULL,
  rule TEXT NOT NULL,
  outcome TEXT NOT NULL,
  count BIGINT NOT NULL,
  PRIMARY KEY (project, day, source, event_type, rule, outcome)
);
