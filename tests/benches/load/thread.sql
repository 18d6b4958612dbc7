\set n random(1, :tickets)
SELECT id, reference, customer_name, customer_phone, customer_email, subject, priority, status, customer_key, reader_key, version, created_at, updated_at FROM tickets WHERE reference = 'T-20250115-' || lpad(:n::text, 7, '0');
SELECT id, sender, channel, from_phone, body, media_url, external_id, created_at FROM messages WHERE ticket_id = md5('t' || :n)::uuid ORDER BY seq;
