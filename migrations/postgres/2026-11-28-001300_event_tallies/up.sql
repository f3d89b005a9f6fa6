-- How many events, and verdicts of rules on them, were removed when they had been kept long enough: by day. The rule is empty
-- where it is the event itself that is counted.
CREATE TABLE event_tallies (
  project TEXT COLLATE "C" NOT NULL,
  day TEXT COLLATE "C" NOT NULL,
  source TEXT COLLATE "C" NOT NULL,
  event_type TEXT COLLATE "C" NOT NULL,
  rule TEXT COLLATE "C" NOT NULL,
  outcome TEXT COLLATE "C" NOT NULL,
  count BIGINT NOT NULL,
  PRIMARY KEY (project, day, source, event_type, rule, outcome)
);
