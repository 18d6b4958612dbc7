-- Messages have files. Programs of the version before can't use a file after this.

-- Every file whose content is stored, or being stored or deleted.
CREATE TABLE files (
    id         BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    -- Null until it joins a message.
    message_id BLOB REFERENCES messages (id) CHECK (length(message_id) = 16),
    -- The ticket's version by which it joined: the order of a message's files.
    seq        INTEGER,
    state      TEXT NOT NULL,
    -- These are null while it is received.
    name       TEXT,
    file_type  TEXT,
    size       INTEGER,
    digest     BLOB,
    created_at INTEGER NOT NULL CHECK (created_at BETWEEN -62167219200000000 AND 253402300799999999)
) STRICT;
CREATE INDEX files_message_id ON files (message_id, seq) WHERE message_id IS NOT NULL;
CREATE INDEX files_unclaimed ON files (created_at) WHERE message_id IS NULL;
CREATE INDEX files_size ON files (size);

-- A message's files as its readers get them, so that a thread is read by one statement.
ALTER TABLE messages ADD COLUMN attachments TEXT;
