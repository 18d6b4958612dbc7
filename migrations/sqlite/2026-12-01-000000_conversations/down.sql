DROP TABLE control_messages;

DROP INDEX questions_merged_into;
DROP INDEX questions_of_phone;
ALTER TABLE questions DROP COLUMN merged_into;
ALTER TABLE questions ADD COLUMN is_batch INTEGER NOT NULL DEFAULT 0 CHECK (is_batch IN (0, 1));
ALTER TABLE questions ADD COLUMN begun_at INTEGER NOT NULL DEFAULT 0
    CHECK (begun_at BETWEEN -62167219200000000 AND 253402300799999999);
UPDATE questions SET is_batch = kind = 'batch', begun_at = asked_at;
ALTER TABLE questions DROP COLUMN kind;
-- The version before knows one open question of each person.
UPDATE questions SET closed_at = asked_at WHERE closed_at IS NULL AND id <> (
    SELECT id FROM questions newest
    WHERE newest.of_phone = questions.of_phone AND newest.closed_at IS NULL ORDER BY asked_at DESC, id DESC LIMIT 1);
CREATE UNIQUE INDEX questions_open ON questions (of_phone) WHERE closed_at IS NULL;
