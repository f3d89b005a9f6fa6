DROP INDEX events_undecided;
CREATE INDEX events_pending ON events (verdict, received_at, id);
CREATE INDEX events_by_time ON events (received_at, id);
