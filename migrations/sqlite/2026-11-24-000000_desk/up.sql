-- The operators' desk: lists and search, and the trail of what operators did. Programs of the version before run on
-- beside this: what is new on their tables has a default or may be null, and triggers keep what is derived true,
-- whoever writes.

-- Whose message is the newest of the thread.
ALTER TABLE tickets ADD COLUMN last_sender TEXT NOT NULL DEFAULT 'customer'
    CHECK (last_sender IN ('customer', 'manager', 'agent'));
UPDATE tickets SET last_sender = (
    SELECT sender FROM messages WHERE ticket_id = tickets.id ORDER BY seq DESC LIMIT 1
) WHERE EXISTS (SELECT 1 FROM messages WHERE ticket_id = tickets.id);
-- A page of any filter is the newest of a few runs through it.
CREATE INDEX tickets_listed ON tickets (status, last_sender, priority, updated_at, number);

-- One document a message that is in a thread: what the ticket is called, whose it is, and what the message says. Its
-- rowid is the ticket's number and, below 20 bits, the message's seq: newest tickets first is a walk backwards. Only
-- the words are kept, not where they stand. A word that is only begun is looked up by its beginning, up to 6 characters.
CREATE VIRTUAL TABLE ticket_search USING fts5 (
    text,
    content = '', contentless_delete = 1, detail = none, prefix = '1 2 3 4 5 6',
    tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
);
-- The words that there are.
CREATE VIRTUAL TABLE ticket_words USING fts5vocab (ticket_search, instance);
CREATE VIEW ticket_documents AS
    SELECT t.number << 20 | m.seq AS number, m.id AS message_id,
        t.reference || ' ' || t.subject || ' ' || t.customer_name || ' ' || t.customer_phone || ' ' || t.customer_email
            || ' ' || m.body AS text
    FROM messages m JOIN tickets t ON t.id = m.ticket_id WHERE m.seq < 1 << 20;
INSERT INTO ticket_search (rowid, text) SELECT number, text FROM ticket_documents ORDER BY number;

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

-- What operators did.
CREATE TABLE trail (
    id        BLOB PRIMARY KEY NOT NULL,
    at        INTEGER NOT NULL,
    -- Null if it was done to several.
    ticket_id BLOB REFERENCES tickets (id),
    act       TEXT NOT NULL CHECK (act IN ('status', 'priority', 'reply', 'attach', 'redeliver', 'redeliver_dead')),
    was       TEXT,
    became    TEXT,
    -- The message or the notification that it was about.
    subject   BLOB,
    -- How many it was done to.
    amount    INTEGER
) STRICT;
CREATE INDEX trail_ticket_id ON trail (ticket_id, id);

-- The message that the key wrote, if it did not open the ticket.
ALTER TABLE idempotency_keys ADD COLUMN message_id BLOB REFERENCES messages (id);
CREATE INDEX idempotency_keys_message_id ON idempotency_keys (message_id) WHERE message_id IS NOT NULL;

-- Operators page through what is unmatched by its id.
CREATE INDEX messages_unmatched_id ON messages (id) WHERE ticket_id IS NULL;
