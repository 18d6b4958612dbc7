-- What operators see and do. Programs of the version before run on beside this: what is new on their tables has a
-- default or may be null, and triggers keep it true for them. See metadata.toml for the transactions.

BEGIN;
-- Who wrote the newest message of the thread. A trigger on messages writes it.
ALTER TABLE tickets ADD COLUMN IF NOT EXISTS last_sender TEXT NOT NULL DEFAULT 'customer';
ALTER TABLE tickets DROP CONSTRAINT IF EXISTS tickets_last_sender_check;
-- It is looked at below, without keeping anybody out.
ALTER TABLE tickets ADD CONSTRAINT tickets_last_sender_check
    CHECK (last_sender IN ('customer', 'manager', 'agent')) NOT VALID;
COMMIT;

BEGIN;
-- What operators did. The words in `was` and `became` are those of what was changed.
CREATE TABLE IF NOT EXISTS trail (
    id        UUID PRIMARY KEY,
    at        TIMESTAMPTZ NOT NULL,
    -- Null if it was done to several tickets.
    ticket_id UUID REFERENCES tickets (id),
    act       TEXT NOT NULL
        CHECK (act IN ('status', 'priority', 'reply', 'attach', 'redeliver', 'redeliver_dead')),
    was       TEXT,
    became    TEXT,
    -- The message or the notification.
    subject   UUID,
    -- How many, of an act done to several.
    amount    BIGINT
);
CREATE INDEX IF NOT EXISTS trail_ticket_id ON trail (ticket_id, id);
COMMIT;

BEGIN;
-- In the order in which writers lock them.
LOCK TABLE messages IN SHARE ROW EXCLUSIVE MODE;
-- What the key was used for, if it made a message and no ticket.
ALTER TABLE idempotency_keys ADD COLUMN IF NOT EXISTS message_id UUID REFERENCES messages (id);
CREATE INDEX IF NOT EXISTS idempotency_keys_message_id ON idempotency_keys (message_id) WHERE message_id IS NOT NULL;
COMMIT;

BEGIN;
-- What is found by its words: a row for each message of a thread, together with what its ticket is called by.
CREATE TABLE IF NOT EXISTS ticket_search (
    ticket_number BIGINT NOT NULL,
    -- The message's.
    seq           INTEGER NOT NULL,
    words         TSVECTOR NOT NULL,
    PRIMARY KEY (ticket_number, seq)
);
-- What is new is put in its place soon: every search looks through what is not.
CREATE INDEX IF NOT EXISTS ticket_search_words ON ticket_search USING gin (words) WITH (gin_pending_list_limit = 256);

-- The words of a text, in their order: without accents and case, and cut to 255 characters, since a word of more than
-- 2,046 bytes can't be kept. Depends on no locale of the database, which may be C. A database that is not in UTF-8 knows
-- no accents and no letters but ASCII's.
DO $do$
DECLARE
    bare      TEXT := '$1 COLLATE "C"';
    separator TEXT := '[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+';
BEGIN
    IF getdatabaseencoding() = 'UTF8' THEN
        bare := $$regexp_replace(normalize($1, NFKD), '[\u0300-\u036f]', '', 'g')$$;
        IF EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu') THEN
            bare := bare || ' COLLATE "und-x-icu"';
        END IF;
        separator := '[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\xbf\u1680\u2000-\u206f\u3000-\u303f\uff00-\uff0f]+';
    END IF;
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION search_words(text) RETURNS text[]
            LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $body$
            SELECT coalesce(array_agg(left(word, 255) ORDER BY place), ARRAY[]::text[])
            FROM unnest(string_to_array(regexp_replace(lower(%s) COLLATE "C", %L, '' '', ''g''), '' ''))
                WITH ORDINALITY AS split (word, place)
            WHERE word <> ''''
        $body$', bare, separator);
END
$do$;

-- What finds the rows that have every word of a text, the last perhaps only begun. Null, which finds nothing, if the text
-- has no word. It can't fail: a word holds nothing that a query's own signs are made of.
CREATE OR REPLACE FUNCTION search_query(text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT string_agg('''' || word || CASE WHEN place = cardinality(words) THEN ''':*' ELSE '''' END, ' & ')::tsquery
    FROM search_words($1) AS words, unnest(words) WITH ORDINALITY AS split (word, place)
$$;

-- Its words without the last one, which may be only begun; if there is no other, that one.
CREATE OR REPLACE FUNCTION search_whole_words(text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(
        (SELECT string_agg('''' || word || '''', ' & ')::tsquery
        FROM search_words($1) AS words, unnest(words[:cardinality(words) - 1]) AS word),
        search_query($1))
$$;

-- The words by which a message of a ticket is found.
CREATE OR REPLACE FUNCTION search_vector(of tickets, body text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_tsvector(search_words(concat_ws(' ',
        of.reference, of.subject, of.customer_name, of.customer_phone, of.customer_email, body)))
$$;

CREATE OR REPLACE FUNCTION message_came_into_its_thread() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tickets SET last_sender = NEW.sender WHERE id = NEW.ticket_id AND last_sender <> NEW.sender;
    INSERT INTO ticket_search (ticket_number, seq, words)
        SELECT t.number, NEW.seq, search_vector(t, NEW.body) FROM tickets t WHERE t.id = NEW.ticket_id
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
DROP TRIGGER IF EXISTS messages_written ON messages;
CREATE TRIGGER messages_written AFTER INSERT ON messages
    FOR EACH ROW WHEN (NEW.ticket_id IS NOT NULL) EXECUTE FUNCTION message_came_into_its_thread();
DROP TRIGGER IF EXISTS messages_attached ON messages;
CREATE TRIGGER messages_attached AFTER UPDATE OF ticket_id ON messages
    FOR EACH ROW WHEN (OLD.ticket_id IS NULL AND NEW.ticket_id IS NOT NULL)
    EXECUTE FUNCTION message_came_into_its_thread();
COMMIT;

BEGIN;
-- What was written before the triggers. Whoever writes to a ticket meanwhile raises its version, and the trigger knows
-- better.
UPDATE tickets t SET last_sender = newest.sender
FROM (
    SELECT k.id, k.version, m.sender FROM tickets k
    CROSS JOIN LATERAL (SELECT sender FROM messages WHERE ticket_id = k.id ORDER BY seq DESC LIMIT 1) m
    WHERE m.sender <> 'customer'
) newest
WHERE t.id = newest.id AND t.version = newest.version AND t.last_sender <> newest.sender;
COMMIT;

BEGIN;
ALTER TABLE tickets VALIDATE CONSTRAINT tickets_last_sender_check;
COMMIT;

BEGIN;
-- The last changed first, of all tickets.
CREATE INDEX IF NOT EXISTS tickets_updated_at ON tickets (updated_at, number);
COMMIT;

BEGIN;
-- The same for each kind of ticket.
CREATE INDEX IF NOT EXISTS tickets_kind ON tickets (status, last_sender, priority, updated_at, number);
COMMIT;

BEGIN;
-- From what is found by its words to its ticket.
CREATE UNIQUE INDEX IF NOT EXISTS tickets_number ON tickets (number);
COMMIT;

BEGIN;
CREATE INDEX IF NOT EXISTS messages_unmatched_id ON messages (id) WHERE ticket_id IS NULL;
COMMIT;

BEGIN;
INSERT INTO ticket_search (ticket_number, seq, words)
    SELECT t.number, m.seq, search_vector(t, m.body) FROM messages m JOIN tickets t ON t.id = m.ticket_id
    ON CONFLICT DO NOTHING;
COMMIT;

BEGIN;
ANALYZE tickets, ticket_search;
COMMIT;
