-- The version before reads phone numbers only.
UPDATE questions SET asked = '0100000', closed_at = coalesce(closed_at, asked_at)
    WHERE ltrim(asked, '+') GLOB '*[^0-9]*' OR length(ltrim(asked, '+')) NOT BETWEEN 7 AND 15;
ALTER TABLE questions RENAME COLUMN asked TO of_phone;
UPDATE messages SET from_address = NULL
    WHERE ltrim(from_address, '+') GLOB '*[^0-9]*' OR length(ltrim(from_address, '+')) NOT BETWEEN 7 AND 15;
DROP INDEX messages_from_address;
ALTER TABLE messages RENAME COLUMN from_address TO from_phone;
CREATE INDEX messages_from_phone ON messages (from_phone) WHERE from_phone IS NOT NULL AND sender <> 'manager';
