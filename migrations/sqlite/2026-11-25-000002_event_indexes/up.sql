-- Every accepted delivery pays for each index: nothing reads events of all projects by time, and of the undecided ones
-- there are only ever a few.
DROP INDEX events_by_time;
DROP INDEX events_pending;
CREATE INDEX events_undecided ON events (received_at, id) WHERE verdict = 'pending';
