CREATE TABLE trail (
    id        BLOB PRIMARY KEY NOT NULL,
    at        INTEGER NOT NULL,
    -- Null if it was done to several.
    ticket_id BLOB REFERENCES tickets (id),
    act       TEXT NOT NULL
        CHECK (act IN ('status', 'priority', 'reply', 'attach', 'redeliver', 'redeliver_dead', 'erase')),
    was       TEXT,
    became    TEXT,
    -- The message or the notification that it was about.
    subject   BLOB,
    -- How many it was done to.
    amount    INTEGER
) STRICT;
INSERT INTO trail (id, at, ticket_id, act, was, became, subject, amount)
    SELECT id, at, ticket_id, action, old_value, new_value, target_id, count FROM audit_log ORDER BY id;
DROP TABLE audit_log;
CREATE INDEX trail_ticket_id ON trail (ticket_id, id);

-- The version before knows one recipient, and sends no questions.
CREATE TEMP TABLE earlier_ids_before AS SELECT p.external_id, p.notification_id FROM previous_external_ids p
    JOIN notifications n ON n.id = p.notification_id WHERE n.recipient = 'manager' AND n.ticket_id IS NOT NULL;
DROP TABLE previous_external_ids;
CREATE TEMP TABLE notifications_before AS SELECT * FROM notifications
    WHERE recipient = 'manager' AND ticket_id IS NOT NULL ORDER BY id;
DROP TABLE notifications;
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
    created_at   INTEGER NOT NULL, progress TEXT NOT NULL DEFAULT 'sent'
    CHECK (progress IN ('sent', 'delivered', 'read')), route TEXT NOT NULL DEFAULT 'text'
    CHECK (route IN ('text', 'template', 'backup', 'backup_template')), round INTEGER NOT NULL DEFAULT 0,
    UNIQUE (ticket_id, seq),
    CONSTRAINT notifications_wait_until_a_time CHECK ((state = 'waiting') = (due_at IS NOT NULL))
) STRICT;
INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, due_at, scheduled_at, lease, failures,
        tried_at, probed_at, released, last_error, external_id, settled_at, created_at, progress, route, round)
    SELECT id, ticket_id, seq, event, payload, addressed, state, due_at, scheduled_at, lease, failed_attempts, attempted_at,
        probed_at, released, last_error, external_id, settled_at, created_at, progress, route, round
    FROM notifications_before;
DROP TABLE notifications_before;
CREATE INDEX notifications_due ON notifications (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notifications_first_tries ON notifications (due_at) WHERE due_at IS NOT NULL AND tried_at IS NULL;
CREATE INDEX notifications_waiting ON notifications (ticket_id, seq) WHERE state IN ('waiting', 'held');
CREATE INDEX notifications_undelivered ON notifications (created_at) WHERE state <> 'delivered';
CREATE INDEX notifications_external_id ON notifications (external_id) WHERE external_id IS NOT NULL;

CREATE TABLE earlier_ids (
    external_id     TEXT NOT NULL,
    notification_id BLOB NOT NULL REFERENCES notifications (id),
    PRIMARY KEY (external_id, notification_id)
) STRICT;
INSERT INTO earlier_ids SELECT external_id, notification_id FROM earlier_ids_before;
DROP TABLE earlier_ids_before;
CREATE INDEX earlier_ids_notification_id ON earlier_ids (notification_id);

-- As they were, word for word.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql =
'CREATE TABLE tickets (
    -- Counts tickets in the order in which they were written; nothing refers to it.
    number         INTEGER PRIMARY KEY NOT NULL,
    id             BLOB NOT NULL UNIQUE,
    reference      TEXT NOT NULL UNIQUE,
    customer_name  TEXT NOT NULL,
    customer_phone TEXT NOT NULL,
    customer_email TEXT NOT NULL,
    subject        TEXT NOT NULL,
    priority       TEXT NOT NULL CHECK (priority IN (''low'', ''medium'', ''high'', ''urgent'')),
    status         TEXT NOT NULL CHECK (status IN (''open'', ''resolved'', ''closed'')),
    -- Readable, since a repeated request is answered with the same address.
    customer_key   TEXT NOT NULL,
    reader_key     TEXT NOT NULL,
    -- 1 at first, one more with every change. It gives messages and notifications their places.
    version        INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
, last_sender TEXT NOT NULL DEFAULT ''customer''
    CHECK (last_sender IN (''customer'', ''manager'', ''agent''))) STRICT'
WHERE type = 'table' AND name = 'tickets';
UPDATE sqlite_schema SET sql =
'CREATE TABLE messages (
    id          BLOB PRIMARY KEY NOT NULL,
    -- Null while nobody knows which ticket it belongs to.
    ticket_id   BLOB REFERENCES tickets (id),
    -- The ticket''s version that it made.
    seq         INTEGER,
    sender      TEXT NOT NULL CHECK (sender IN (''customer'', ''manager'', ''agent'')),
    channel     TEXT NOT NULL CHECK (channel IN (''web'', ''whatsapp'')),
    from_phone  TEXT,
    body        TEXT NOT NULL,
    media_url   TEXT,
    -- One outside id is one message for ever, whether its ticket is known or not.
    external_id TEXT UNIQUE,
    created_at  INTEGER NOT NULL, question_id BLOB REFERENCES questions (id),
    UNIQUE (ticket_id, seq),
    CONSTRAINT messages_in_a_thread_have_a_place CHECK ((ticket_id IS NULL) = (seq IS NULL))
) STRICT'
WHERE type = 'table' AND name = 'messages';
UPDATE sqlite_schema SET sql =
'CREATE TABLE idempotency_keys (
    key        TEXT PRIMARY KEY NOT NULL,
    -- SHA-256 of the request that the key was used for.
    digest     BLOB NOT NULL,
    ticket_id  BLOB NOT NULL REFERENCES tickets (id),
    expires_at INTEGER NOT NULL
, message_id BLOB REFERENCES messages (id)) STRICT'
WHERE type = 'table' AND name = 'idempotency_keys';
UPDATE sqlite_schema SET sql =
'CREATE TABLE questions (
    id            BLOB PRIMARY KEY NOT NULL,
    -- Who was asked.
    of_phone      TEXT NOT NULL,
    -- The references to choose from, the first first, with blanks between.
    choices       TEXT NOT NULL,
    -- The words, to be repeated as they were.
    text          TEXT NOT NULL,
    -- Whether it is about messages without any hint, so that more of them may join.
    is_run        INTEGER NOT NULL CHECK (is_run IN (0, 1)),
    begun_at      INTEGER NOT NULL,
    -- The last time.
    asked_at      INTEGER NOT NULL,
    -- Null while it can be answered.
    closed_at     INTEGER,
    -- The outside id of the answer. It is no message; by it a repetition is known.
    answered_by   TEXT UNIQUE,
    -- The ticket that was picked. Null also if an operator is to see to it.
    answered_with BLOB REFERENCES tickets (id),
    -- How many messages the answer brought to its ticket. Null unless there was an answer.
    attached      INTEGER,
    CONSTRAINT questions_are_closed_by_an_answer CHECK (attached IS NULL OR closed_at IS NOT NULL),
    CONSTRAINT questions_count_what_an_answer_brought
        CHECK (attached IS NOT NULL OR (answered_by IS NULL AND answered_with IS NULL))
) STRICT'
WHERE type = 'table' AND name = 'questions';
UPDATE sqlite_schema SET sql =
'CREATE TABLE receipts (
    external_id TEXT PRIMARY KEY NOT NULL,
    status      TEXT NOT NULL CHECK (status IN (''queued'', ''sent'', ''delivered'', ''read'', ''failed'', ''undelivered'')),
    error_code  INTEGER,
    -- When it was heard.
    at          INTEGER NOT NULL
) STRICT'
WHERE type = 'table' AND name = 'receipts';
PRAGMA writable_schema = RESET;
