DROP TABLE source_seen;
DROP TABLE source_states;
