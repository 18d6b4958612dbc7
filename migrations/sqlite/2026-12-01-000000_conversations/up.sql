-- Several questions to one person may be open; each is about messages of its own.
DROP INDEX questions_open;
ALTER TABLE questions ADD COLUMN kind TEXT NOT NULL DEFAULT 'batch';
UPDATE questions SET kind = 'single' WHERE NOT is_batch;
ALTER TABLE questions DROP COLUMN is_batch;
ALTER TABLE questions DROP COLUMN begun_at;
-- The question that was asked in its place.
ALTER TABLE questions ADD COLUMN merged_into BLOB REFERENCES questions (id) DEFERRABLE INITIALLY DEFERRED
    CHECK (length(merged_into) = 16);
CREATE INDEX questions_of_phone ON questions (of_phone, asked_at);
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
CREATE INDEX control_messages_ticket_id ON control_messages (ticket_id) WHERE ticket_id IS NOT NULL;
CREATE INDEX control_messages_at ON control_messages (at);
