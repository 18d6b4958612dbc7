-- Conversations as people have them. Programs of the version before can't use a file after this.

-- A sender is any address, not only a phone number.
ALTER TABLE messages RENAME COLUMN from_phone TO from_address;
DROP INDEX messages_from_phone;
CREATE INDEX messages_from_address ON messages (from_address) WHERE from_address IS NOT NULL AND sender <> 'manager';
ALTER TABLE questions RENAME COLUMN of_phone TO asked;
