-- Messages that are committed together go into the search's index together. FTS5 gathers words in memory until the commit,
-- but puts what it has on the disk at every savepoint, and an INSERT that has a trigger begins one: each message became a
-- part of the index of its own, to be merged with others later.

-- Documents that are not in the index yet. Who commits for the server puts them there in the same transaction, so this
-- is empty whenever nobody writes; rows that somebody writes by hand go there in portions of 1,024, with the
-- server's next commits, and all of them when the store is opened.
CREATE TABLE search_pending (document INTEGER PRIMARY KEY) STRICT;

DROP TRIGGER messages_written;
DROP TRIGGER messages_joined;
DROP VIEW ticket_documents;
CREATE VIEW ticket_documents AS
    SELECT t.number << 20 | m.seq AS number, t.number AS ticket_number, m.seq AS seq, m.id AS message_id,
        t.reference || ' ' || t.subject || ' ' || t.customer_name || ' ' || t.customer_phone || ' ' || t.customer_email
            || ' ' || m.body AS text
    FROM messages m JOIN tickets t ON t.id = m.ticket_id WHERE m.seq < 1 << 20;

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
