DROP INDEX runs_by_origin;
DROP TABLE pinned_jobs;
