-- Conversations as people have them. Programs of the version before can't use a file after this.

-- A sender is any address, not only a phone number.
ALTER TABLE messages RENAME COLUMN from_phone TO from_address;
DROP INDEX messages_from_phone;
CREATE INDEX messages_from_address ON messages (from_address) WHERE from_address IS NOT NULL AND sender <> 'manager';
ALTER TABLE questions RENAME COLUMN of_phone TO asked;

-- Several questions to one person may be open; each is about messages of its own. What refers to questions finds them again
-- at the end of this transaction.
PRAGMA defer_foreign_keys = ON;
CREATE TEMP TABLE questions_before AS SELECT * FROM questions ORDER BY id;
DROP TABLE questions;
CREATE TABLE questions (
    id            BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    -- Who was asked.
    asked         TEXT NOT NULL,
    -- The references to choose from, in order, separated by blanks.
    choices       TEXT NOT NULL,
    -- The words, to be repeated as they were.
    text          TEXT NOT NULL,
    -- How it is answered, and whether more messages may join it.
    kind          TEXT NOT NULL,
    -- When it is sent: a batch's a moment later, so that a burst is one question.
    sent_at       INTEGER NOT NULL CHECK (sent_at BETWEEN -62167219200000000 AND 253402300799999999),
    asked_at      INTEGER NOT NULL CHECK (asked_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- Null while it can be answered without being quoted.
    closed_at     INTEGER CHECK (closed_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- The external id of the answer. It is no message; a repetition is recognised by it.
    answered_by   TEXT UNIQUE,
    -- The chosen ticket. Null also if an operator is to see to it.
    answered_with BLOB REFERENCES tickets (id) CHECK (length(answered_with) = 16),
    -- How many messages the answer attached to its ticket. Null unless there was an answer.
    attached      INTEGER,
    -- The question that was asked in its place.
    merged_into   BLOB REFERENCES questions (id) DEFERRABLE INITIALLY DEFERRED CHECK (length(merged_into) = 16),
    -- When it was answered, which may be after it was merged.
    answered_at   INTEGER CHECK (answered_at BETWEEN -62167219200000000 AND 253402300799999999),
    CONSTRAINT questions_are_closed_by_an_answer CHECK (attached IS NULL OR closed_at IS NOT NULL),
    CONSTRAINT questions_count_what_an_answer_brought
        CHECK (attached IS NOT NULL OR (answered_by IS NULL AND answered_with IS NULL))
) STRICT;
INSERT INTO questions (id, asked, choices, text, kind, sent_at, asked_at, closed_at, answered_by, answered_with, attached)
    SELECT id, asked, choices, text, iif(is_batch, 'batch', 'single'), begun_at, asked_at, closed_at, answered_by, answered_with, attached
    FROM questions_before;
DROP TABLE questions_before;
CREATE INDEX questions_asked ON questions (asked, asked_at);
CREATE INDEX questions_answered_with ON questions (answered_with) WHERE answered_with IS NOT NULL;
CREATE INDEX questions_merged_into ON questions (merged_into) WHERE merged_into IS NOT NULL;

-- Messages that steer the server and are never published, so that a repeated one is answered as before.
CREATE TABLE control_messages (
    external_id TEXT PRIMARY KEY NOT NULL,
    kind        TEXT NOT NULL,
    -- The ticket that it was about.
    ticket_id   BLOB REFERENCES tickets (id) CHECK (length(ticket_id) = 16),
    -- What its sender was told.
    reply       TEXT NOT NULL,
    at          INTEGER NOT NULL CHECK (at BETWEEN -62167219200000000 AND 253402300799999999)
) STRICT;
CREATE INDEX control_messages_ticket_id ON control_messages (ticket_id);
CREATE INDEX control_messages_at ON control_messages (at);

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

-- A manager's last answers, to take one back.
CREATE INDEX messages_of_managers ON messages (from_address, created_at) WHERE sender = 'manager';

-- Numbers and WhatsApp user ids of the same person.
CREATE TABLE contacts (
    user_id TEXT PRIMARY KEY NOT NULL,
    -- In the form in which numbers are compared.
    phone   TEXT NOT NULL,
    -- When they last came together, to the day.
    seen_at INTEGER NOT NULL CHECK (seen_at BETWEEN -62167219200000000 AND 253402300799999999)
) STRICT;
CREATE INDEX contacts_phone ON contacts (phone);
CREATE INDEX contacts_seen_at ON contacts (seen_at);
