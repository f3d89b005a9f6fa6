DROP TABLE log_archives;
