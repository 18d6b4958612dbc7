-- Customers are mailed. Programs of the version before can't use a file after this.

-- The last version whose messages the customer has seen on their page.
ALTER TABLE tickets ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
-- Whether the customer wants no mails about it.
ALTER TABLE tickets ADD COLUMN unsubscribed INTEGER NOT NULL DEFAULT 0 CHECK (unsubscribed IN (0, 1));

-- A notification that a customer asked for reports no version.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(
    sql,
    '(ticket_id IS NULL) = (seq IS NULL) AND (ticket_id IS NULL)',
    '(ticket_id IS NOT NULL OR seq IS NULL) AND (ticket_id IS NULL)')
WHERE type = 'table' AND name = 'notifications';
PRAGMA writable_schema = RESET;
CREATE INDEX notifications_asked_for ON notifications (created_at) WHERE event = 'ticket.links';
