-- The field's words for tables and columns, one schema for both engines, and no list of an enum's words in a CHECK: the
-- domain alone knows them, and a row that it refuses is reported as corrupt. An id of another length than 16 bytes or a time
-- beyond the calendar is refused instead, since reading it would fail the whole query. Programs of the version before can't
-- use a file after this.

-- What changes here is only what is said of the tables, not how rows lie in the file. So their text is replaced, as
-- SQLite's documentation of ALTER TABLE describes it: no row is copied, however many there are, and indexes, triggers, the
-- search's index and foreign keys stay as they are. Columns and UNIQUEs stand in the order in which they always stood.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql =
'CREATE TABLE tickets (
    -- Counts tickets in the order in which they were written; nothing refers to it.
    number         INTEGER PRIMARY KEY NOT NULL,
    id             BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    reference      TEXT NOT NULL UNIQUE,
    customer_name  TEXT NOT NULL,
    customer_phone TEXT NOT NULL,
    customer_email TEXT NOT NULL,
    subject        TEXT NOT NULL,
    priority       TEXT NOT NULL,
    status         TEXT NOT NULL,
    -- Readable, since a repeated request is answered with the same address.
    customer_key   TEXT NOT NULL,
    reader_key     TEXT NOT NULL,
    -- 1 at first, one more with every change. It numbers messages and notifications.
    version        INTEGER NOT NULL,
    created_at     INTEGER NOT NULL CHECK (created_at BETWEEN -62167219200000000 AND 253402300799999999),
    updated_at     INTEGER NOT NULL CHECK (updated_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- Who wrote the newest message of the thread. A trigger on messages writes it.
    last_sender    TEXT NOT NULL DEFAULT ''customer''
) STRICT'
WHERE type = 'table' AND name = 'tickets';
UPDATE sqlite_schema SET sql =
'CREATE TABLE messages (
    id          BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    -- Null while nobody knows which ticket it belongs to.
    ticket_id   BLOB REFERENCES tickets (id) CHECK (length(ticket_id) = 16),
    -- The ticket''s version that it made.
    seq         INTEGER,
    sender      TEXT NOT NULL,
    channel     TEXT NOT NULL,
    from_phone  TEXT,
    body        TEXT NOT NULL,
    media_url   TEXT,
    -- One external id is one message forever, whether its ticket is known or not.
    external_id TEXT UNIQUE,
    created_at  INTEGER NOT NULL CHECK (created_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- The clarifying question about the message, if one was asked.
    question_id BLOB REFERENCES questions (id) CHECK (length(question_id) = 16),
    UNIQUE (ticket_id, seq),
    CONSTRAINT messages_in_a_thread_have_a_place CHECK ((ticket_id IS NULL) = (seq IS NULL))
) STRICT'
WHERE type = 'table' AND name = 'messages';
UPDATE sqlite_schema SET sql =
'CREATE TABLE idempotency_keys (
    key        TEXT PRIMARY KEY NOT NULL,
    -- SHA-256 of the request that the key was used for.
    digest     BLOB NOT NULL,
    ticket_id  BLOB NOT NULL REFERENCES tickets (id) CHECK (length(ticket_id) = 16),
    expires_at INTEGER NOT NULL CHECK (expires_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- The message that the key wrote, if it did not open the ticket.
    message_id BLOB REFERENCES messages (id) CHECK (length(message_id) = 16)
) STRICT'
WHERE type = 'table' AND name = 'idempotency_keys';
UPDATE sqlite_schema SET sql =
'CREATE TABLE questions (
    id            BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    -- Who was asked.
    of_phone      TEXT NOT NULL,
    -- The references to choose from, in order, separated by blanks.
    choices       TEXT NOT NULL,
    -- The words, to be repeated as they were.
    text          TEXT NOT NULL,
    -- Whether it is about a batch of messages without any hint, so that more of them may join.
    is_batch      INTEGER NOT NULL CHECK (is_batch IN (0, 1)),
    begun_at      INTEGER NOT NULL CHECK (begun_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- The last time.
    asked_at      INTEGER NOT NULL CHECK (asked_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- Null while it can be answered.
    closed_at     INTEGER CHECK (closed_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- The external id of the answer. It is no message; a repetition is recognised by it.
    answered_by   TEXT UNIQUE,
    -- The chosen ticket. Null also if an operator is to see to it.
    answered_with BLOB REFERENCES tickets (id) CHECK (length(answered_with) = 16),
    -- How many messages the answer attached to its ticket. Null unless there was an answer.
    attached      INTEGER,
    CONSTRAINT questions_are_closed_by_an_answer CHECK (attached IS NULL OR closed_at IS NOT NULL),
    CONSTRAINT questions_count_what_an_answer_brought
        CHECK (attached IS NOT NULL OR (answered_by IS NULL AND answered_with IS NULL))
) STRICT'
WHERE type = 'table' AND name = 'questions';
UPDATE sqlite_schema SET sql =
'CREATE TABLE receipts (
    external_id TEXT PRIMARY KEY NOT NULL,
    status      TEXT NOT NULL,
    error_code  INTEGER,
    -- When it arrived.
    at          INTEGER NOT NULL CHECK (at BETWEEN -62167219200000000 AND 253402300799999999)
) STRICT'
WHERE type = 'table' AND name = 'receipts';
-- Has this connection read them anew; other ones do so because of what follows.
PRAGMA writable_schema = RESET;

-- Two notifications about one version are possible now, to different recipients. A UNIQUE can't be changed in place.
CREATE TEMP TABLE earlier_ids_before AS SELECT external_id, notification_id FROM earlier_ids;
DROP TABLE earlier_ids;
CREATE TEMP TABLE notifications_before AS SELECT * FROM notifications ORDER BY id;
DROP TABLE notifications;
CREATE TABLE notifications (
    -- The `webhook-id` of every attempt.
    id              BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    -- Null if it asks a question, which is of no ticket.
    ticket_id       BLOB REFERENCES tickets (id) CHECK (length(ticket_id) = 16),
    -- The ticket's version that it reports.
    seq             INTEGER,
    event           TEXT NOT NULL,
    payload         BLOB NOT NULL,
    -- Whether there was anywhere to send it to when it was made, or an operator has released it since.
    addressed       INTEGER NOT NULL CHECK (addressed IN (0, 1)),
    state           TEXT NOT NULL,
    -- The next attempt; during an attempt, the end of the lease: an expired lease is simply due.
    due_at          INTEGER CHECK (due_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- When the schedule has its next attempt. `due_at` may come earlier, for a health probe.
    scheduled_at    INTEGER NOT NULL CHECK (scheduled_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- The worker that attempts it. Told from an expired lease by `due_at`.
    lease           BLOB CHECK (length(lease) = 16),
    failed_attempts INTEGER NOT NULL,
    -- The last claim.
    attempted_at    INTEGER CHECK (attempted_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- The last claim for a health probe.
    probed_at       INTEGER CHECK (probed_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- Whether it was made due before its time, after something got through, since its last failed attempt.
    released        INTEGER NOT NULL DEFAULT 0 CHECK (released IN (0, 1)),
    last_error      TEXT,
    -- The external id of the delivered message, so that a quoted reply finds its ticket.
    external_id     TEXT,
    -- Since when it is delivered as far as it is, or given up.
    settled_at      INTEGER CHECK (settled_at BETWEEN -62167219200000000 AND 253402300799999999),
    created_at      INTEGER NOT NULL CHECK (created_at BETWEEN -62167219200000000 AND 253402300799999999),
    -- How far one that was delivered is.
    progress        TEXT NOT NULL DEFAULT 'sent',
    -- The delivery route that it takes.
    route           TEXT NOT NULL DEFAULT 'text',
    -- Which message of it goes out, the first being 0.
    round           INTEGER NOT NULL DEFAULT 0,
    -- Who is notified. Order and blocking are per ticket and recipient.
    recipient       TEXT NOT NULL DEFAULT 'manager',
    -- The question that it asks.
    question_id     BLOB REFERENCES questions (id) CHECK (length(question_id) = 16),
    UNIQUE (ticket_id, seq, recipient),
    CONSTRAINT notifications_wait_until_a_time CHECK ((state = 'waiting') = (due_at IS NOT NULL)),
    CONSTRAINT notifications_report_a_ticket_or_ask
        CHECK ((ticket_id IS NULL) = (seq IS NULL) AND (ticket_id IS NULL) = (question_id IS NOT NULL))
) STRICT;
INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, due_at, scheduled_at, lease,
        failed_attempts, attempted_at, probed_at, released, last_error, external_id, settled_at, created_at, progress, route,
        round)
    SELECT id, ticket_id, seq, event, payload, addressed, state, due_at, scheduled_at, lease, failures, tried_at, probed_at,
        released, last_error, external_id, settled_at, created_at, progress, route, round
    FROM notifications_before;
DROP TABLE notifications_before;
-- What is due to a recipient, and whether an earlier one for the same recipient still waits. All hold only what waits.
CREATE INDEX notifications_due ON notifications (recipient, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notifications_first_attempts ON notifications (recipient, due_at)
    WHERE due_at IS NOT NULL AND attempted_at IS NULL;
CREATE INDEX notifications_waiting ON notifications (ticket_id, recipient, seq) WHERE state IN ('waiting', 'held');
CREATE INDEX notifications_undelivered ON notifications (created_at) WHERE state <> 'delivered';
CREATE INDEX notifications_external_id ON notifications (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX notifications_question_id ON notifications (question_id) WHERE question_id IS NOT NULL;

-- The external ids of a notification's messages that were refused: they may still be quoted.
CREATE TABLE previous_external_ids (
    external_id     TEXT NOT NULL,
    notification_id BLOB NOT NULL REFERENCES notifications (id) CHECK (length(notification_id) = 16),
    PRIMARY KEY (external_id, notification_id)
) STRICT;
INSERT INTO previous_external_ids SELECT external_id, notification_id FROM earlier_ids_before;
DROP TABLE earlier_ids_before;
CREATE INDEX previous_external_ids_notification_id ON previous_external_ids (notification_id);

CREATE TABLE audit_log (
    id        BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    at        INTEGER NOT NULL CHECK (at BETWEEN -62167219200000000 AND 253402300799999999),
    -- Null if it was done to several tickets.
    ticket_id BLOB REFERENCES tickets (id) CHECK (length(ticket_id) = 16),
    action    TEXT NOT NULL,
    old_value TEXT,
    new_value TEXT,
    -- The message or the notification that it was done to.
    target_id BLOB CHECK (length(target_id) = 16),
    -- How many it was done to.
    count     INTEGER,
    -- Who did it. Until now, only operators were recorded.
    actor     TEXT NOT NULL DEFAULT 'operator'
) STRICT;
INSERT INTO audit_log (id, at, ticket_id, action, old_value, new_value, target_id, count)
    SELECT id, at, ticket_id, act, was, became, subject, amount FROM trail ORDER BY id;
DROP TABLE trail;
CREATE INDEX audit_log_ticket_id ON audit_log (ticket_id, id);
