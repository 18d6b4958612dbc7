DROP TABLE contacts;

-- The version before shows everything to everyone.
UPDATE messages SET body = '[removed]', media_url = NULL WHERE visibility <> 'public';
DROP TRIGGER messages_written;
DROP TRIGGER messages_joined;
ALTER TABLE messages DROP COLUMN visibility;
ALTER TABLE tickets DROP COLUMN notes;
CREATE TRIGGER messages_written AFTER INSERT ON messages WHEN NEW.ticket_id IS NOT NULL BEGIN
    UPDATE tickets SET last_sender = NEW.sender WHERE id = NEW.ticket_id AND last_sender <> NEW.sender
        AND NOT EXISTS (SELECT 1 FROM messages WHERE ticket_id = NEW.ticket_id AND seq > NEW.seq);
    INSERT OR IGNORE INTO search_pending SELECT number << 20 | NEW.seq FROM tickets
        WHERE id = NEW.ticket_id AND NEW.seq < 1 << 20;
END;
CREATE TRIGGER messages_joined AFTER UPDATE OF ticket_id ON messages
    WHEN OLD.ticket_id IS NULL AND NEW.ticket_id IS NOT NULL BEGIN
    UPDATE tickets SET last_sender = NEW.sender WHERE id = NEW.ticket_id AND last_sender <> NEW.sender
        AND NOT EXISTS (SELECT 1 FROM messages WHERE ticket_id = NEW.ticket_id AND seq > NEW.seq);
    INSERT OR IGNORE INTO search_pending SELECT number << 20 | NEW.seq FROM tickets
        WHERE id = NEW.ticket_id AND NEW.seq < 1 << 20;
END;

-- The version before reads phone numbers only.
UPDATE questions SET asked = '0100000', closed_at = coalesce(closed_at, asked_at)
    WHERE ltrim(asked, '+') GLOB '*[^0-9]*' OR length(ltrim(asked, '+')) NOT BETWEEN 7 AND 15;
ALTER TABLE questions RENAME COLUMN asked TO of_phone;
UPDATE messages SET from_address = NULL
    WHERE ltrim(from_address, '+') GLOB '*[^0-9]*' OR length(ltrim(from_address, '+')) NOT BETWEEN 7 AND 15;
DROP INDEX messages_from_address;
ALTER TABLE messages RENAME COLUMN from_address TO from_phone;
CREATE INDEX messages_from_phone ON messages (from_phone) WHERE from_phone IS NOT NULL AND sender <> 'manager';
