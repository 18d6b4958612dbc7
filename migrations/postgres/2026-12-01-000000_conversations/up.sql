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
    ADD COLUMN merged_into UUID REFERENCES questions (id) DEFERRABLE INITIALLY DEFERRED;
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
CREATE INDEX control_messages_ticket_id ON control_messages (ticket_id) WHERE ticket_id IS NOT NULL;
CREATE INDEX control_messages_at ON control_messages (at);
