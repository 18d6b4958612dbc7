\set n random(0, :tickets - 1)
SELECT id, reference, customer_name, customer_phone, customer_email, subject, priority, status, customer_key, reader_key, version, created_at, updated_at FROM tickets WHERE reference = 'T-20250115-' || lpad(:n::text, 7, '0');
SELECT id, sender, channel, from_address, body, media_url, external_id, created_at FROM messages WHERE ticket_id = (lpad(to_hex(1736937000000), 12, '0') || '70008000' || lpad(to_hex(:n::bigint), 12, '0'))::uuid ORDER BY seq;
