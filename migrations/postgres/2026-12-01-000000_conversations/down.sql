DROP TABLE control_messages;

DROP INDEX questions_merged_into;
DROP INDEX questions_of_phone;
ALTER TABLE questions DROP COLUMN merged_into;
ALTER TABLE questions ADD COLUMN is_batch BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE questions ADD COLUMN begun_at TIMESTAMPTZ;
UPDATE questions SET is_batch = kind = 'batch', begun_at = asked_at;
ALTER TABLE questions ALTER COLUMN is_batch DROP DEFAULT, ALTER COLUMN begun_at SET NOT NULL, DROP COLUMN kind;
-- The version before knows one open question of each person.
UPDATE questions SET closed_at = asked_at WHERE closed_at IS NULL AND id <> (
    SELECT id FROM questions newest
    WHERE newest.of_phone = questions.of_phone AND newest.closed_at IS NULL ORDER BY asked_at DESC, id DESC LIMIT 1);
CREATE UNIQUE INDEX questions_open ON questions (of_phone) WHERE closed_at IS NULL;
