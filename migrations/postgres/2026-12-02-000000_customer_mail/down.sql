DROP INDEX notifications_asked_for;
-- The version before knows neither these events nor this channel.
DELETE FROM previous_external_ids WHERE notification_id IN (
    SELECT id FROM notifications WHERE event IN ('ticket.answered', 'ticket.resolved', 'ticket.links'));
DELETE FROM notifications WHERE event IN ('ticket.answered', 'ticket.resolved', 'ticket.links');
UPDATE messages SET channel = 'web' WHERE channel = 'email';
ALTER TABLE notifications
    DROP CONSTRAINT notifications_report_a_ticket_or_ask,
    ADD CONSTRAINT notifications_report_a_ticket_or_ask
        CHECK ((ticket_id IS NULL) = (seq IS NULL) AND (ticket_id IS NULL) = (question_id IS NOT NULL));
ALTER TABLE tickets
    DROP COLUMN unsubscribed,
    DROP COLUMN seen;
