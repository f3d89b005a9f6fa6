DROP TABLE taught_labels;
DROP TABLE enricher_calls;
DROP TABLE enricher_answers;
DROP TABLE event_labels;
DROP INDEX events_unlabelled;
DROP INDEX events_unmatched;
CREATE INDEX events_unmatched ON events (received_at, id) WHERE NOT matched;
ALTER TABLE events DROP COLUMN awaits_labels;
