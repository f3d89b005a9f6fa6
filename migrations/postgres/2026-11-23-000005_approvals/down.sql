DROP TABLE signatures;
DROP TABLE approvals;
