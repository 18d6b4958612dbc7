-- Tickets, their messages, and the notifications that tell the manager of them.
-- The words in the CHECKs are those of the domain's enums; all other rules are the value types' alone.

CREATE TABLE tickets (
    -- Counts tickets in the order in which they were begun; nothing refers to it.
    number         BIGINT GENERATED ALWAYS AS IDENTITY,
    id             UUID PRIMARY KEY,
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
    created_at     TIMESTAMPTZ NOT NULL,
    updated_at     TIMESTAMPTZ NOT NULL
);
-- How many today.
CREATE INDEX tickets_created_at ON tickets (created_at);

CREATE TABLE messages (
    id          UUID PRIMARY KEY,
    -- Null while nobody knows which ticket it belongs to.
    ticket_id   UUID REFERENCES tickets (id),
    -- The ticket's version that it made.
    seq         INTEGER,
    sender      TEXT NOT NULL CHECK (sender IN ('customer', 'manager', 'agent')),
    channel     TEXT NOT NULL CHECK (channel IN ('web', 'whatsapp')),
    from_phone  TEXT,
    body        TEXT NOT NULL,
    media_url   TEXT,
    -- One outside id is one message for ever, whether its ticket is known or not.
    external_id TEXT UNIQUE,
    created_at  TIMESTAMPTZ NOT NULL,
    UNIQUE (ticket_id, seq),
    CONSTRAINT messages_in_a_thread_have_a_place CHECK ((ticket_id IS NULL) = (seq IS NULL))
);
CREATE INDEX messages_unmatched ON messages (created_at) WHERE ticket_id IS NULL;

CREATE TABLE notifications (
    -- The `webhook-id` of every try.
    id           UUID PRIMARY KEY,
    ticket_id    UUID NOT NULL REFERENCES tickets (id),
    -- The ticket's version that it tells of.
    seq          INTEGER NOT NULL,
    event        TEXT NOT NULL CHECK (event IN ('ticket.created', 'ticket.updated')),
    payload      BYTEA NOT NULL,
    -- Whether there was anywhere to send it to when it was made, or an operator has released it since.
    addressed    BOOLEAN NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead', 'held')),
    -- The next try; while it is being tried, the end of the lease: an ended lease is simply due.
    due_at       TIMESTAMPTZ,
    -- When the schedule has its next try. `due_at` may come earlier, beside the schedule.
    scheduled_at TIMESTAMPTZ NOT NULL,
    -- The worker that tries it. Told from a lease that ended by `due_at`.
    lease        UUID,
    failures     INTEGER NOT NULL,
    -- The last claim.
    tried_at     TIMESTAMPTZ,
    -- The last claim beside the schedule.
    probed_at    TIMESTAMPTZ,
    -- Whether it was made due before its time, after something got through, since its last failure that counts.
    released     BOOLEAN NOT NULL DEFAULT false,
    last_error   TEXT,
    -- What the manager's message is called outside, so that a quoted reply finds its ticket.
    external_id  TEXT,
    -- When it was delivered or given up.
    settled_at   TIMESTAMPTZ,
    created_at   TIMESTAMPTZ NOT NULL,
    UNIQUE (ticket_id, seq),
    CONSTRAINT notifications_wait_until_a_time CHECK ((state = 'waiting') = (due_at IS NOT NULL))
);
-- What is due, and whether an earlier one of the ticket still waits. Both hold only what waits, however much was sent.
CREATE INDEX notifications_due ON notifications (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notifications_first_tries ON notifications (due_at) WHERE due_at IS NOT NULL AND tried_at IS NULL;
CREATE INDEX notifications_waiting ON notifications (ticket_id, seq) WHERE state IN ('waiting', 'held');
CREATE INDEX notifications_undelivered ON notifications (created_at) WHERE state <> 'delivered';
CREATE INDEX notifications_external_id ON notifications (external_id) WHERE external_id IS NOT NULL;

CREATE TABLE idempotency_keys (
    key        TEXT PRIMARY KEY,
    -- SHA-256 of the request that the key was used for.
    digest     BYTEA NOT NULL,
    ticket_id  UUID NOT NULL REFERENCES tickets (id),
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX idempotency_keys_ticket_id ON idempotency_keys (ticket_id);
CREATE INDEX idempotency_keys_expires_at ON idempotency_keys (expires_at);
