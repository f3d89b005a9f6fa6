DROP TABLE revisions;
DROP TABLE definitions;
DROP FUNCTION revisions_frozen();
