DROP TABLE contacts;

DROP INDEX messages_of_managers;

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

DROP TABLE control_messages;

PRAGMA defer_foreign_keys = ON;
CREATE TEMP TABLE questions_after AS SELECT * FROM questions ORDER BY id;
DROP TABLE questions;
CREATE TABLE questions (
    id            BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    -- Who was asked.
    asked      TEXT NOT NULL,
    -- The references to choose from, in order, separated by blanks.
    choices       TEXT NOT NULL,
    -- The words, to be repeated as they were.
    text          TEXT NOT NULL,
    -- Whether it is about a batch of messages without any hint, so that more of them may join.
    is_batch      INTEGER NOT NULL CHECK (is_batch IN (0, 1)),
    begun_at      INTEGER NOT NULL CHECK (begun_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- The last time.
    asked_at      INTEGER NOT NULL CHECK (asked_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- Null while it can be answered.
    closed_at     INTEGER CHECK (closed_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- The external id of the answer. It is no message; a repetition is recognised by it.
    answered_by   TEXT UNIQUE,
    -- The chosen ticket. Null also if an operator is to see to it.
    answered_with BLOB REFERENCES tickets (id) CHECK (length(answered_with) = 16),
    -- How many messages the answer attached to its ticket. Null unless there was an answer.
    attached      INTEGER,
    CONSTRAINT questions_are_closed_by_an_answer CHECK (attached IS NULL OR closed_at IS NOT NULL),
    CONSTRAINT questions_count_what_an_answer_brought
        CHECK (attached IS NOT NULL OR (answered_by IS NULL AND answered_with IS NULL))
) STRICT;
INSERT INTO questions (id, asked, choices, text, is_batch, begun_at, asked_at, closed_at, answered_by, answered_with, attached)
    SELECT id, asked, choices, text, kind = 'batch', sent_at, asked_at, closed_at, answered_by, answered_with, attached
    FROM questions_after;
DROP TABLE questions_after;
CREATE INDEX questions_answered_with ON questions (answered_with) WHERE answered_with IS NOT NULL;
-- The version before knows one open question of each person.
UPDATE questions SET closed_at = asked_at WHERE closed_at IS NULL AND id <> (
    SELECT id FROM questions newest
    WHERE newest.asked = questions.asked AND newest.closed_at IS NULL ORDER BY asked_at DESC, id DESC LIMIT 1);
CREATE UNIQUE INDEX questions_open ON questions (asked) WHERE closed_at IS NULL;

-- The version before reads phone numbers only.
UPDATE questions SET asked = '0100000', closed_at = coalesce(closed_at, asked_at)
    WHERE ltrim(asked, '+') GLOB '*[^0-9]*' OR length(ltrim(asked, '+')) NOT BETWEEN 7 AND 15;
ALTER TABLE questions RENAME COLUMN asked TO of_phone;
UPDATE messages SET from_address = NULL
    WHERE ltrim(from_address, '+') GLOB '*[^0-9]*' OR length(ltrim(from_address, '+')) NOT BETWEEN 7 AND 15;
DROP INDEX messages_from_address;
ALTER TABLE messages RENAME COLUMN from_address TO from_phone;
CREATE INDEX messages_from_phone ON messages (from_phone) WHERE from_phone IS NOT NULL AND sender <> 'manager';
