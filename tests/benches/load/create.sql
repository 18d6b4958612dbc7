\set i :i + 1
\set n :run * 100000000 + :client_id * 1000000 + :i
\set form random(1000, 1999)
BEGIN;
INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, status, customer_key, reader_key, version, created_at, updated_at) VALUES (overlay(md5('t' || :n) PLACING lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') FROM 1)::uuid, 'T-20250116-' || :n, '{customerName}', '{customerPhone}', '{customerEmail}', '{subject}', '{priority}', 'open', md5('c' || :n), md5('r' || :n), 1, now(), now()) ON CONFLICT (reference) DO NOTHING;
INSERT INTO messages (id, ticket_id, seq, sender, channel, from_address, body, media_url, external_id, created_at) VALUES (overlay(md5('m' || :n) PLACING lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') FROM 1)::uuid, overlay(md5('t' || :n) PLACING lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') FROM 1)::uuid, 1, 'customer', 'web', NULL, '{message}', NULL, NULL, now());
INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, due_at, scheduled_at, failed_attempts, created_at) VALUES (overlay(md5('n' || :n) PLACING lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') FROM 1)::uuid, overlay(md5('t' || :n) PLACING lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') FROM 1)::uuid, 1, 'ticket.created', '\x{payload}', false, 'waiting', now(), now(), 0, now());
COMMIT;
