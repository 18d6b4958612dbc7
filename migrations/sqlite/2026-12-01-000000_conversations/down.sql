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
