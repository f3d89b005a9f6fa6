DROP TABLE revisions;
DROP TABLE definitions;
