-- Messages have files. Programs of the version before can't use a database after this: stop them first.

-- Every file whose content is stored, or being stored or deleted.
CREATE TABLE files (
    id         UUID PRIMARY KEY,
    -- Null until it joins a message.
    message_id UUID REFERENCES messages (id),
    -- The ticket's version by which it joined: the order of a message's files.
    seq        BIGINT,
    state      TEXT NOT NULL,
    -- These are null while it is received.
    name       TEXT,
    file_type  TEXT,
    size       BIGINT,
    digest     BYTEA,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX files_message_id ON files (message_id, seq) WHERE message_id IS NOT NULL;
CREATE INDEX files_unclaimed ON files (created_at) WHERE message_id IS NULL;
CREATE INDEX files_size ON files (size);

-- A message's files as its readers get them, so that a thread is read by one statement.
ALTER TABLE messages ADD COLUMN attachments TEXT;
