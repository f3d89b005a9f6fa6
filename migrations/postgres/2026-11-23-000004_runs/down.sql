DROP TABLE run_steps;
DROP TABLE run_nodes;
DROP TABLE run_options;
DROP TABLE runs;
