-- Opening a ticket costs less: what is found, and by what, stays the same. Programs of the version before run on
-- beside this.

DO $do$
DECLARE
    bare      TEXT := '$1 COLLATE "C"';
    separator TEXT := '[\x01-\x1f\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+';
    is_simple TEXT := 'FALSE';
BEGIN
    IF getdatabaseencoding() = 'UTF8' THEN
        bare := $$regexp_replace(normalize($1, NFKD), '[\u0300-\u036f]', '', 'g')$$;
        IF EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu') THEN
            bare := bare || ' COLLATE "und-x-icu"';
            -- Elsewhere the database's own locale may have rules for ASCII's letters too.
            is_simple := 'octet_length($1) = length($1)';
        END IF;
        separator := '[\x01-\x1f\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\xbf\u1680\u2000-\u206f\u3000-\u303f\uff00-\uff0f]+';
    END IF;
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION search_words(text) RETURNS text[]
            LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $body$
        DECLARE
            plain TEXT;
            words TEXT[];
        BEGIN
            IF %s THEN
                plain := lower($1 COLLATE "C");
            ELSE
                plain := lower(%s);
            END IF;
            plain := regexp_replace(plain COLLATE "C", %L, '' '', ''g'');
            words := array_remove(string_to_array(plain, '' ''), '''');
            -- One too long leaves two characters for each of the others, it and a blank, which a short text has not. The rest is
            -- asked of the text: a query in a condition costs as much as half of all this.
            IF length(plain) - 2 * (cardinality(words) - 1) > 255 AND plain COLLATE "C" ~ ''[^ ]{255}[^ ]'' THEN
                words := ARRAY(
                    SELECT left(word, 255) FROM unnest(words) WITH ORDINALITY AS split (word, place) ORDER BY place);
            END IF;
            RETURN words;
        END
        $body$', is_simple, bare, separator);
END
$do$;

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
