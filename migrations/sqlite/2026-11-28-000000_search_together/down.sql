INSERT INTO ticket_search (rowid, text)
    SELECT d.number, d.text FROM search_pending p
    CROSS JOIN ticket_documents d ON d.ticket_number = p.document >> 20 AND d.seq = p.document & (1 << 20) - 1
    ORDER BY p.document;
DROP TRIGGER messages_written;
DROP TRIGGER messages_joined;
DROP VIEW ticket_documents;
DROP TABLE search_pending;
CREATE VIEW ticket_documents AS
    SELECT t.number << 20 | m.seq AS number, m.id AS message_id,
        t.reference || ' ' || t.subject || ' ' || t.customer_name || ' ' || t.customer_phone || ' ' || t.customer_email
            || ' ' || m.body AS text
    FROM messages m JOIN tickets t ON t.id = m.ticket_id WHERE m.seq < 1 << 20;
CREATE TRIGGER messages_written AFTER INSERT ON messages WHEN NEW.ticket_id IS NOT NULL BEGIN
    UPDATE tickets SET last_sender = NEW.sender WHERE id = NEW.ticket_id AND last_sender <> NEW.sender
        AND NOT EXISTS (SELECT 1 FROM messages WHERE ticket_id = NEW.ticket_id AND seq > NEW.seq);
    INSERT INTO ticket_search (rowid, text) SELECT number, text FROM ticket_documents WHERE message_id = NEW.id;
END;
CREATE TRIGGER messages_joined AFTER UPDATE OF ticket_id ON messages
    WHEN OLD.ticket_id IS NULL AND NEW.ticket_id IS NOT NULL BEGIN
    UPDATE tickets SET last_sender = NEW.sender WHERE id = NEW.ticket_id AND last_sender <> NEW.sender
        AND NOT EXISTS (SELECT 1 FROM messages WHERE ticket_id = NEW.ticket_id AND seq > NEW.seq);
    INSERT INTO ticket_search (rowid, text) SELECT number, text FROM ticket_documents WHERE message_id = NEW.id;
END;
