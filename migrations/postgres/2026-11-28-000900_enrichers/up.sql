-- A new kind of definition.
ALTER TABLE definitions DROP CONSTRAINT definitions_kind_check;
ALTER TABLE definitions ADD CONSTRAINT definitions_kind_check
  CHECK (kind IN ('project', 'nodes', 'access', 'job', 'rule', 'webhook', 'source', 'enricher'));

-- Events that wait for labels from outside are nobody's to match until they have them.
ALTER TABLE events ADD COLUMN awaits_labels BOOLEAN NOT NULL DEFAULT FALSE;
DROP INDEX events_unmatched;
CREATE INDEX events_unmatched ON events (received_at, id) WHERE NOT matched AND NOT awaits_labels;
CREATE INDEX events_unlabelled ON events (received_at, id) WHERE awaits_labels;

-- What each enricher made of an event, once.
CREATE TABLE event_labels (
  event_id TEXT NOT NULL,
  definition_id TEXT NOT NULL,
  project TEXT COLLATE "C" NOT NULL,
  enricher TEXT COLLATE "C" NOT NULL,
  revision BIGINT NOT NULL,
  label TEXT NOT NULL,
  made_at TIMESTAMP NOT NULL,
  PRIMARY KEY (event_id, definition_id)
);
CREATE INDEX event_labels_by_time ON event_labels (project, made_at);

-- Answers from outside by what was asked, for a while.
CREATE TABLE enricher_answers (
  key TEXT PRIMARY KEY NOT NULL,
  definition_id TEXT NOT NULL,
  label TEXT NOT NULL,
  until TIMESTAMP NOT NULL
);
CREATE INDEX enricher_answers_by_time ON enricher_answers (until);

-- How often an enricher asked in a window of its budget.
CREATE TABLE enricher_calls (
  definition_id TEXT NOT NULL,
  since TIMESTAMP NOT NULL,
  until TIMESTAMP NOT NULL,
  calls BIGINT NOT NULL,
  PRIMARY KEY (definition_id, since)
);
CREATE INDEX enricher_calls_by_time ON enricher_calls (until);

-- Labels that people gave, with the text that they are of, for classifiers to learn from.
CREATE TABLE taught_labels (
  definition_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  project TEXT COLLATE "C" NOT NULL,
  enricher TEXT COLLATE "C" NOT NULL,
  label TEXT NOT NULL,
  text TEXT NOT NULL,
  taught_by TEXT NOT NULL,
  taught_at TIMESTAMP NOT NULL,
  PRIMARY KEY (definition_id, event_id)
);
CREATE INDEX taught_labels_by_time ON taught_labels (definition_id, taught_at, event_id);
