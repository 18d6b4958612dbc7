-- Conversations as people have them. Programs of the version before can't use a database after this: stop them first.

-- A sender is any address, not only a phone number.
ALTER TABLE messages RENAME COLUMN from_phone TO from_address;
ALTER INDEX messages_from_phone RENAME TO messages_from_address;
ALTER TABLE questions RENAME COLUMN of_phone TO asked;

-- Several questions to one person may be open; each is about messages of its own.
DROP INDEX questions_open;
ALTER TABLE questions
    -- How it is answered, and whether more messages may join it.
    ALTER COLUMN is_batch TYPE TEXT USING CASE WHEN is_batch THEN 'batch' ELSE 'single' END,
    -- The question that was asked in its place.
    ADD COLUMN merged_into UUID REFERENCES questions (id) DEFERRABLE INITIALLY DEFERRED,
    -- When it was answered, which may be after it was merged.
    ADD COLUMN answered_at TIMESTAMPTZ;
ALTER TABLE questions RENAME COLUMN is_batch TO kind;
-- When it is sent: a batch's a moment later, so that a burst is one question.
ALTER TABLE questions RENAME COLUMN begun_at TO sent_at;
CREATE INDEX questions_asked ON questions (asked, asked_at);
CREATE INDEX questions_merged_into ON questions (merged_into) WHERE merged_into IS NOT NULL;

-- Messages that steer the server and are never published, so that a repeated one is answered as before.
CREATE TABLE control_messages (
    external_id TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,
    -- The ticket that it was about.
    ticket_id   UUID REFERENCES tickets (id),
    -- What its sender was told.
    reply       TEXT NOT NULL,
    at          TIMESTAMPTZ NOT NULL
);
CREATE INDEX control_messages_ticket_id ON control_messages (ticket_id);
CREATE INDEX control_messages_at ON control_messages (at);

-- Who sees a message: everyone (`public`), or only operators (`internal`, `removed`).
ALTER TABLE messages ADD COLUMN visibility TEXT NOT NULL DEFAULT 'public';
-- How many of the ticket's versions were made by internal notes: nobody else may learn of them.
ALTER TABLE tickets ADD COLUMN notes BIGINT NOT NULL DEFAULT 0;
-- Who wrote last is who wrote the last public message. Operators find every message by its words, as before.
CREATE OR REPLACE FUNCTION message_came_into_its_thread() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tickets SET last_sender = NEW.sender
        WHERE NEW.visibility = 'public' AND id = NEW.ticket_id AND last_sender <> NEW.sender;
    INSERT INTO ticket_search (ticket_number, seq, words)
        SELECT t.number, NEW.seq, search_vector(t, NEW.body) FROM tickets t WHERE t.id = NEW.ticket_id
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE OR REPLACE FUNCTION messages_came_into_their_threads() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    newest RECORD;
BEGIN
    -- A ticket begins with its customer as who wrote last: what opens one changes nothing.
    IF EXISTS (SELECT FROM came WHERE (seq > 1 OR sender <> 'customer') AND visibility = 'public') THEN
        -- Each ticket is looked up by its id, whatever plan seemed best when the tables were small: so says OFFSET 0.
        FOR newest IN
            SELECT m.ticket_id, m.sender
            FROM (SELECT DISTINCT ON (ticket_id) ticket_id, sender FROM came
                WHERE ticket_id IS NOT NULL AND visibility = 'public'
                ORDER BY ticket_id, seq DESC) m
            CROSS JOIN LATERAL (SELECT number, last_sender FROM tickets WHERE id = m.ticket_id OFFSET 0) t
            WHERE t.last_sender <> m.sender
            -- What is read together lies together, also after a bulk load.
            ORDER BY t.number
        LOOP
            UPDATE tickets SET last_sender = newest.sender WHERE id = newest.ticket_id;
        END LOOP;
    END IF;
    INSERT INTO ticket_search (ticket_number, seq, words)
        SELECT (t.its).number, m.seq, search_vector(t.its, m.body)
        FROM came m CROSS JOIN LATERAL (SELECT tickets AS its FROM tickets WHERE id = m.ticket_id OFFSET 0) t
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

-- A manager's last answers, to take one back.
CREATE INDEX messages_of_managers ON messages (from_address, created_at) WHERE sender = 'manager';

-- Numbers and WhatsApp user ids of the same person.
CREATE TABLE contacts (
    user_id TEXT PRIMARY KEY,
    -- In the form in which numbers are compared.
    phone   TEXT NOT NULL,
    -- When they last came together, to the day.
    seen_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX contacts_phone ON contacts (phone);
CREATE INDEX contacts_seen_at ON contacts (seen_at);
