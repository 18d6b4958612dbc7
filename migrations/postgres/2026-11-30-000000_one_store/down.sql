ALTER TABLE audit_log DROP COLUMN actor;
ALTER INDEX audit_log_ticket_id RENAME TO trail_ticket_id;
ALTER TABLE audit_log RENAME CONSTRAINT audit_log_ticket_id_fkey TO trail_ticket_id_fkey;
ALTER TABLE audit_log RENAME CONSTRAINT audit_log_pkey TO trail_pkey;
ALTER TABLE audit_log RENAME COLUMN count TO amount;
ALTER TABLE audit_log RENAME COLUMN target_id TO subject;
ALTER TABLE audit_log RENAME COLUMN new_value TO became;
ALTER TABLE audit_log RENAME COLUMN old_value TO was;
ALTER TABLE audit_log RENAME COLUMN action TO act;
ALTER TABLE audit_log RENAME TO trail;
ALTER TABLE trail
    ADD CONSTRAINT trail_act_check CHECK (act IN ('status', 'priority', 'reply', 'attach', 'redeliver', 'redeliver_dead', 'erase'));

ALTER INDEX previous_external_ids_notification_id RENAME TO earlier_ids_notification_id;
ALTER TABLE previous_external_ids
    RENAME CONSTRAINT previous_external_ids_notification_id_fkey TO earlier_ids_notification_id_fkey;
ALTER TABLE previous_external_ids RENAME CONSTRAINT previous_external_ids_pkey TO earlier_ids_pkey;
ALTER TABLE previous_external_ids RENAME TO earlier_ids;

-- The version before knows one recipient, and sends no questions.
DELETE FROM earlier_ids
    WHERE notification_id IN (SELECT id FROM notifications WHERE recipient <> 'manager' OR ticket_id IS NULL);
DELETE FROM notifications WHERE recipient <> 'manager' OR ticket_id IS NULL;
DROP INDEX notifications_due;
DROP INDEX notifications_first_attempts;
DROP INDEX notifications_waiting;
ALTER TABLE notifications
    ALTER COLUMN seq TYPE INTEGER,
    ALTER COLUMN failed_attempts TYPE INTEGER,
    ALTER COLUMN round TYPE INTEGER,
    DROP COLUMN recipient,
    DROP COLUMN question_id,
    ALTER COLUMN ticket_id SET NOT NULL,
    ALTER COLUMN seq SET NOT NULL,
    ADD UNIQUE (ticket_id, seq),
    ADD CONSTRAINT notifications_event_check CHECK (event IN ('ticket.created', 'ticket.updated')),
    ADD CONSTRAINT notifications_state_check CHECK (state IN ('waiting', 'delivered', 'dead', 'held')),
    ADD CONSTRAINT notifications_progress_check CHECK (progress IN ('sent', 'delivered', 'read')),
    ADD CONSTRAINT notifications_route_check CHECK (route IN ('text', 'template', 'backup', 'backup_template'));
CREATE INDEX notifications_waiting ON notifications (ticket_id, seq) WHERE state IN ('waiting', 'held');
ALTER TABLE notifications RENAME COLUMN attempted_at TO tried_at;
CREATE INDEX notifications_due ON notifications (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notifications_first_tries ON notifications (due_at) WHERE due_at IS NOT NULL AND tried_at IS NULL;
ALTER TABLE notifications RENAME COLUMN failed_attempts TO failures;

ALTER TABLE receipts
    ADD CONSTRAINT receipts_status_check CHECK (status IN ('queued', 'sent', 'delivered', 'read', 'failed', 'undelivered'));
ALTER TABLE questions RENAME COLUMN is_batch TO is_run;
ALTER TABLE ticket_search ALTER COLUMN seq TYPE INTEGER;
ALTER TABLE messages
    ALTER COLUMN seq TYPE INTEGER,
    ADD CONSTRAINT messages_sender_check CHECK (sender IN ('customer', 'manager', 'agent')),
    ADD CONSTRAINT messages_channel_check CHECK (channel IN ('web', 'whatsapp'));
ALTER TABLE tickets
    ALTER COLUMN number SET GENERATED ALWAYS,
    ALTER COLUMN version TYPE INTEGER,
    ADD CONSTRAINT tickets_priority_check CHECK (priority IN ('low', 'medium', 'high', 'urgent')),
    ADD CONSTRAINT tickets_status_check CHECK (status IN ('open', 'resolved', 'closed')),
    ADD CONSTRAINT tickets_last_sender_check CHECK (last_sender IN ('customer', 'manager', 'agent'));
