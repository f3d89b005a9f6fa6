-- A new kind of definition: words of a chat that ask for a run.
ALTER TABLE definitions DROP CONSTRAINT definitions_kind_check;
ALTER TABLE definitions ADD CONSTRAINT definitions_kind_check
  CHECK (kind IN ('project', 'nodes', 'access', 'job', 'rule', 'webhook', 'source', 'enricher', 'alias'));
