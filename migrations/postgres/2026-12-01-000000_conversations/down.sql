DROP TABLE control_messages;

DROP INDEX questions_merged_into;
DROP INDEX questions_of_phone;
ALTER TABLE questions RENAME COLUMN sent_at TO begun_at;
ALTER TABLE questions RENAME COLUMN kind TO is_batch;
ALTER TABLE questions
    DROP COLUMN merged_into,
    ALTER COLUMN is_batch TYPE BOOLEAN USING is_batch = 'batch';
-- The version before knows one open question of each person.
UPDATE questions SET closed_at = asked_at WHERE closed_at IS NULL AND id <> (
    SELECT id FROM questions newest
    WHERE newest.of_phone = questions.of_phone AND newest.closed_at IS NULL ORDER BY asked_at DESC, id DESC LIMIT 1);
CREATE UNIQUE INDEX questions_open ON questions (of_phone) WHERE closed_at IS NULL;
