-- The version before reads phone numbers only.
UPDATE questions SET asked = '0100000', closed_at = coalesce(closed_at, asked_at) WHERE asked !~ '^\+?[0-9]{7,15}$';
ALTER TABLE questions RENAME COLUMN asked TO of_phone;
UPDATE messages SET from_address = NULL WHERE from_address !~ '^\+?[0-9]{7,15}$';
ALTER INDEX messages_from_address RENAME TO messages_from_phone;
ALTER TABLE messages RENAME COLUMN from_address TO from_phone;
