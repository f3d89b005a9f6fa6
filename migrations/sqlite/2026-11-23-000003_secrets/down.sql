DROP TABLE host_keys;
DROP TABLE blobs;
DROP TABLE secrets;
DROP TABLE vault_checks;
