DROP TABLE idempotency_keys;
DROP TABLE notifications;
DROP TABLE messages;
DROP TABLE tickets;
