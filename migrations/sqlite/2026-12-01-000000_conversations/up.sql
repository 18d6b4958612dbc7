-- Conversations as people have them. Programs of the version before can't use a file after this.

-- A sender is any address, not only a phone number.
ALTER TABLE messages RENAME COLUMN from_phone TO from_address;
DROP INDEX messages_from_phone;
CREATE INDEX messages_from_address ON messages (from_address) WHERE from_address IS NOT NULL AND sender <> 'manager';
ALTER TABLE questions RENAME COLUMN of_phone TO asked;

-- Who sees a message: everyone (`public`), or only operators (`internal`, `removed`).
ALTER TABLE messages ADD COLUMN visibility TEXT NOT NULL DEFAULT 'public';
-- How many of the ticket's versions were made by internal notes: nobody else may learn of them.
ALTER TABLE tickets ADD COLUMN notes INTEGER NOT NULL DEFAULT 0;
-- Who wrote last is who wrote the last public message. Operators find every message by its words, as before.
DROP TRIGGER messages_written;
DROP TRIGGER messages_joined;
CREATE TRIGGER messages_written AFTER INSERT ON messages WHEN NEW.ticket_id IS NOT NULL BEGIN
    UPDATE tickets SET last_sender = NEW.sender WHERE NEW.visibility = 'public'
        AND id = NEW.ticket_id AND last_sender <> NEW.sender
        AND NOT EXISTS (SELECT 1 FROM messages WHERE ticket_id = NEW.ticket_id AND seq > NEW.seq AND visibility = 'public');
    INSERT OR IGNORE INTO search_pending SELECT number << 20 | NEW.seq FROM tickets
        WHERE id = NEW.ticket_id AND NEW.seq < 1 << 20;
END;
CREATE TRIGGER messages_joined AFTER UPDATE OF ticket_id ON messages
    WHEN OLD.ticket_id IS NULL AND NEW.ticket_id IS NOT NULL BEGIN
    UPDATE tickets SET last_sender = NEW.sender WHERE NEW.visibility = 'public'
        AND id = NEW.ticket_id AND last_sender <> NEW.sender
        AND NOT EXISTS (SELECT 1 FROM messages WHERE ticket_id = NEW.ticket_id AND seq > NEW.seq AND visibility = 'public');
    INSERT OR IGNORE INTO search_pending SELECT number << 20 | NEW.seq FROM tickets
        WHERE id = NEW.ticket_id AND NEW.seq < 1 << 20;
END;

-- Numbers and WhatsApp user ids of the same person.
CREATE TABLE contacts (
    user_id TEXT PRIMARY KEY NOT NULL,
    -- In the form in which numbers are compared.
    phone   TEXT NOT NULL,
    -- When they last came together, to the day.
    seen_at INTEGER NOT NULL CHECK (seen_at BETWEEN -62167219200000000 AND 253402300799999999)
) STRICT;
CREATE INDEX contacts_phone ON contacts (phone);
