DROP TABLE contacts;

DROP INDEX messages_of_managers;

-- The version before shows everything to everyone.
UPDATE messages SET body = '[removed]', media_url = NULL WHERE visibility <> 'public';
CREATE OR REPLACE FUNCTION message_came_into_its_thread() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tickets SET last_sender = NEW.sender WHERE id = NEW.ticket_id AND last_sender <> NEW.sender;
    INSERT INTO ticket_search (ticket_number, seq, words)
        SELECT t.number, NEW.seq, search_vector(t, NEW.body) FROM tickets t WHERE t.id = NEW.ticket_id
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE OR REPLACE FUNCTION messages_came_into_their_threads() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    newest RECORD;
BEGIN
    -- A ticket begins with its customer as who wrote last: what opens one changes nothing.
    IF EXISTS (SELECT FROM came WHERE seq > 1 OR sender <> 'customer') THEN
        -- Each ticket is looked up by its id, whatever plan seemed best when the tables were small: so says OFFSET 0.
        FOR newest IN
            SELECT m.ticket_id, m.sender
            FROM (SELECT DISTINCT ON (ticket_id) ticket_id, sender FROM came WHERE ticket_id IS NOT NULL
                ORDER BY ticket_id, seq DESC) m
            CROSS JOIN LATERAL (SELECT number, last_sender FROM tickets WHERE id = m.ticket_id OFFSET 0) t
            WHERE t.last_sender <> m.sender
            -- What is read together lies together, also after a bulk load.
            ORDER BY t.number
        LOOP
            UPDATE tickets SET last_sender = newest.sender WHERE id = newest.ticket_id;
        END LOOP;
    END IF;
    INSERT INTO ticket_search (ticket_number, seq, words)
        SELECT (t.its).number, m.seq, search_vector(t.its, m.body)
        FROM came m CROSS JOIN LATERAL (SELECT tickets AS its FROM tickets WHERE id = m.ticket_id OFFSET 0) t
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
ALTER TABLE messages DROP COLUMN visibility;
ALTER TABLE tickets DROP COLUMN notes;

DROP TABLE control_messages;

DROP INDEX questions_merged_into;
DROP INDEX questions_asked;
ALTER TABLE questions RENAME COLUMN sent_at TO begun_at;
ALTER TABLE questions RENAME COLUMN kind TO is_batch;
ALTER TABLE questions
    DROP COLUMN merged_into,
    DROP COLUMN answered_at,
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
