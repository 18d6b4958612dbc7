CREATE OR REPLACE TRIGGER messages_written AFTER INSERT ON messages
    FOR EACH ROW WHEN (NEW.ticket_id IS NOT NULL) EXECUTE FUNCTION message_came_into_its_thread();
DROP FUNCTION messages_came_into_their_threads;

CREATE OR REPLACE FUNCTION search_vector(of tickets, body text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_tsvector(search_words(concat_ws(' ',
        of.reference, of.subject, of.customer_name, of.customer_phone, of.customer_email, body)))
$$;

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
