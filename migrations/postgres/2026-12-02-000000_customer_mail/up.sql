-- Customers are mailed. Programs of the version before can't use a database after this: stop them first.

ALTER TABLE tickets
    -- The last version whose messages the customer has seen on their page.
    ADD COLUMN seen BIGINT NOT NULL DEFAULT 0,
    -- Whether the customer wants no mails about it.
    ADD COLUMN unsubscribed BOOLEAN NOT NULL DEFAULT FALSE;

-- A notification that a customer asked for reports no version.
ALTER TABLE notifications
    DROP CONSTRAINT notifications_report_a_ticket_or_ask,
    ADD CONSTRAINT notifications_report_a_ticket_or_ask
        CHECK ((ticket_id IS NOT NULL OR seq IS NULL) AND (ticket_id IS NULL) = (question_id IS NOT NULL));
CREATE INDEX notifications_asked_for ON notifications (created_at) WHERE event = 'ticket.links';
