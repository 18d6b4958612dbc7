DROP TABLE control_messages;

DROP INDEX questions_merged_into;
DROP INDEX questions_asked;
ALTER TABLE questions RENAME COLUMN sent_at TO begun_at;
ALTER TABLE questions RENAME COLUMN kind TO is_batch;
ALTER TABLE questions
    DROP COLUMN merged_into,
    ALTER COLUMN is_batch TYPE BOOLEAN USING is_batch = 'batch';
-- The version before knows one open question of each person.
UPDATE questions SET closed_at = asked_at WHERE closed_at IS NULL AND id <> (
    SELECT id FROM questions newest
    WHERE newest.asked = questions.asked AND newest.closed_at IS NULL ORDER BY asked_at DESC, id DESC LIMIT 1);
CREATE UNIQUE INDEX questions_open ON questions (asked) WHERE closed_at IS NULL;

-- The version before reads phone numbers only.
UPDATE questions SET asked = '0100000', closed_at = coalesce(closed_at, asked_at) WHERE asked !~ '^\+?[0-9]{7,15}$';
ALTER TABLE questions RENAME COLUMN asked TO of_phone;
UPDATE messages SET from_address = NULL WHERE from_address !~ '^\+?[0-9]{7,15}$';
ALTER INDEX messages_from_address RENAME TO messages_from_phone;
ALTER TABLE messages RENAME COLUMN from_address TO from_phone;
