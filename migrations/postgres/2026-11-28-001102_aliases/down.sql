DELETE FROM revisions WHERE definition_id IN (SELECT id FROM definitions WHERE kind = 'alias');
DELETE FROM definitions WHERE kind = 'alias';
ALTER TABLE definitions DROP CONSTRAINT definitions_kind_check;
ALTER TABLE definitions ADD CONSTRAINT definitions_kind_check
  CHECK (kind IN ('project', 'nodes', 'access', 'job', 'rule', 'webhook', 'source', 'enricher'));
