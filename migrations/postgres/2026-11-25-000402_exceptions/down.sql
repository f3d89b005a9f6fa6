DROP TABLE delegations;
DROP TABLE break_glass;
