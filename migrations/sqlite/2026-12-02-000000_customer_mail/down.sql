DROP INDEX notifications_asked_for;
-- The version before knows neither these events nor this channel.
DELETE FROM previous_external_ids WHERE notification_id IN (
    SELECT id FROM notifications WHERE event IN ('ticket.answered', 'ticket.resolved', 'ticket.links'));
DELETE FROM notifications WHERE event IN ('ticket.answered', 'ticket.resolved', 'ticket.links');
UPDATE messages SET channel = 'web' WHERE channel = 'email';
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(
    sql,
    '(ticket_id IS NOT NULL OR seq IS NULL) AND (ticket_id IS NULL)',
    '(ticket_id IS NULL) = (seq IS NULL) AND (ticket_id IS NULL)')
WHERE type = 'table' AND name = 'notifications';
PRAGMA writable_schema = RESET;
ALTER TABLE tickets DROP COLUMN unsubscribed;
ALTER TABLE tickets DROP COLUMN seen;
