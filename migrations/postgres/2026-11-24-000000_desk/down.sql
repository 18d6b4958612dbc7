BEGIN;
DROP TRIGGER messages_attached ON messages;
DROP TRIGGER messages_written ON messages;
DROP FUNCTION message_came_into_its_thread;
DROP FUNCTION search_vector;
DROP FUNCTION search_query;
DROP FUNCTION search_words;
DROP TABLE ticket_search;
DROP INDEX messages_unmatched_id;
DROP INDEX idempotency_keys_message_id;
-- What a program of the version before would take for a ticket's.
DELETE FROM idempotency_keys WHERE message_id IS NOT NULL;
ALTER TABLE idempotency_keys DROP COLUMN message_id;
DROP TABLE trail;
DROP INDEX tickets_number;
DROP INDEX tickets_kind;
DROP INDEX tickets_updated_at;
ALTER TABLE tickets DROP COLUMN last_sender;
COMMIT;
