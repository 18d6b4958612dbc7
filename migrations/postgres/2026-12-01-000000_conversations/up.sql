-- Conversations as people have them. Programs of the version before can't use a database after this: stop them first.

-- A sender is any address, not only a phone number.
ALTER TABLE messages RENAME COLUMN from_phone TO from_address;
ALTER INDEX messages_from_phone RENAME TO messages_from_address;
ALTER TABLE questions RENAME COLUMN of_phone TO asked;
