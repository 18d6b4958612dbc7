-- Tickets, their messages, and the notifications that tell the manager of them.
-- The words in the CHECKs are those of the domain's enums; all other rules are the value types' alone.
-- A UUID lies as its 16 bytes, a moment as microseconds since 1970 in UTC.

CREATE TABLE tickets (
    -- Counts tickets in the order in which they were written; nothing refers to it.
    number         INTEGER PRIMARY KEY NOT NULL,
    id             BLOB NOT NULL UNIQUE,
    reference      TEXT NOT NULL UNIQUE,
    customer_name  TEXT NOT NULL,
    customer_phone TEXT NOT NULL,
    customer_email TEXT NOT NULL,
    subject        TEXT NOT NULL,
    priority       TEXT NOT NULL CHECK (priority IN ('low', 'medium', 'high', 'urgent')),
    status         TEXT NOT NULL CHECK (status IN ('open', 'resolved', 'closed')),
    -- Readable, since a repeated request is answered with the same address.
    customer_key   TEXT NOT NULL,
    reader_key     TEXT NOT NULL,
    -- 1 at first, one more with every change. It gives messages and notifications their places.
    version        INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
) STRICT;
-- How many today.
CREATE INDEX tickets_created_at ON tickets (created_at);

CREATE TABLE messages (
    id          BLOB PRIMARY KEY NOT NULL,
    -- Null while nobody knows which ticket it belongs to.
    ticket_id   BLOB REFERENCES tickets (id),
    -- The ticket's version that it made.
    seq         INTEGER,
    sender      TEXT NOT NULL CHECK (sender IN ('customer', 'manager', 'agent')),
    channel     TEXT NOT NULL CHECK (channel IN ('web', 'whatsapp')),
    from_phone  TEXT,
    body        TEXT NOT NULL,
    media_url   TEXT,
    -- One outside id is one message for ever, whether its ticket is known or not.
    external_id TEXT UNIQUE,
    created_at  INTEGER NOT NULL,
    UNIQUE (ticket_id, seq),
    CONSTRAINT messages_in_a_thread_have_a_place CHECK ((ticket_id IS NULL) = (seq IS NULL))
) STRICT;
CREATE INDEX messages_unmatched ON messages (created_at) WHERE ticket_id IS NULL;

CREATE TABLE notifications (
    -- The `webhook-id` of every try.
    id           BLOB PRIMARY KEY NOT NULL,
    ticket_id    BLOB NOT NULL REFERENCES tickets (id),
    -- The ticket's version that it tells of.
    seq          INTEGER NOT NULL,
    event        TEXT NOT NULL CHECK (event IN ('ticket.created', 'ticket.updated')),
    payload      BLOB NOT NULL,
    -- Whether there was anywhere to send it to when it was made, or an operator has released it since.
    addressed    INTEGER NOT NULL CHECK (addressed IN (0, 1)),
    state        TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead', 'held')),
    -- The next try; while it is being tried, the end of the lease: an ended lease is simply due.
    due_at       INTEGER,
    -- When the schedule has its next try. `due_at` may come earlier, beside the schedule.
    scheduled_at INTEGER NOT NULL,
    -- The worker that tries it. Told from a lease that ended by `due_at`.
    lease        BLOB,
    failures     INTEGER NOT NULL,
    -- The last claim.
    tried_at     INTEGER,
    -- The last claim beside the schedule.
    probed_at    INTEGER,
    -- Whether it was made due before its time, after something got through, since its last failure that counts.
    released     INTEGER NOT NULL DEFAULT 0 CHECK (released IN (0, 1)),
    last_error   TEXT,
    -- What the manager's message is called outside, so that a quoted reply finds its ticket.
    external_id  TEXT,
    -- When it was delivered or given up.
    settled_at   INTEGER,
    created_at   INTEGER NOT NULL,
    UNIQUE (ticket_id, seq),
    CONSTRAINT notifications_wait_until_a_time CHECK ((state = 'waiting') = (due_at IS NOT NULL))
) STRICT;
-- What is due, and whether an earlier one of the ticket still waits. Both hold only what waits, however much was sent.
CREATE INDEX notifications_due ON notifications (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notifications_first_tries ON notifications (due_at) WHERE due_at IS NOT NULL AND tried_at IS NULL;
CREATE INDEX notifications_waiting ON notifications (ticket_id, seq) WHERE state IN ('waiting', 'held');
CREATE INDEX notifications_undelivered ON notifications (created_at) WHERE state <> 'delivered';
CREATE INDEX notifications_external_id ON notifications (external_id) WHERE external_id IS NOT NULL;

CREATE TABLE idempotency_keys (
    key        TEXT PRIMARY KEY NOT NULL,
    -- SHA-256 of the request that the key was used for.
    digest     BLOB NOT NULL,
    ticket_id  BLOB NOT NULL REFERENCES tickets (id),
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_keys_ticket_id ON idempotency_keys (ticket_id);
CREATE INDEX idempotency_keys_expires_at ON idempotency_keys (expires_at);
