DROP TABLE idempotency;
DROP TABLE events;
DROP TABLE webhook_tokens;
