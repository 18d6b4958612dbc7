-- What managers were asked, and how far their messages got. Programs of the version before run on beside this: what is
-- new on their tables has a default or may be null.

-- Which tickets a manager can choose from: the newest open ones.
CREATE INDEX tickets_open ON tickets (created_at, number) WHERE status = 'open';

CREATE TABLE questions (
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
) STRICT;
-- At most one of each manager is open.
CREATE UNIQUE INDEX questions_open ON questions (of_phone) WHERE closed_at IS NULL;
CREATE INDEX questions_answered_with ON questions (answered_with) WHERE answered_with IS NOT NULL;

-- What was asked about the message, if anything.
ALTER TABLE messages ADD COLUMN question_id BLOB REFERENCES questions (id);
CREATE INDEX messages_question_id ON messages (question_id) WHERE question_id IS NOT NULL;

-- How far one that was delivered is. From now on its `settled_at` is since when it is as far as it is.
ALTER TABLE notifications ADD COLUMN progress TEXT NOT NULL DEFAULT 'sent'
    CHECK (progress IN ('sent', 'delivered', 'read'));
-- The way that it takes.
ALTER TABLE notifications ADD COLUMN route TEXT NOT NULL DEFAULT 'text'
    CHECK (route IN ('text', 'template', 'backup', 'backup_template'));
-- Which message of it goes out, the first being 0.
ALTER TABLE notifications ADD COLUMN round INTEGER NOT NULL DEFAULT 0;

-- What a notification's messages were called outside that were refused: they may still be quoted.
CREATE TABLE earlier_ids (
    external_id     TEXT NOT NULL,
    notification_id BLOB NOT NULL REFERENCES notifications (id),
    PRIMARY KEY (external_id, notification_id)
) STRICT;
CREATE INDEX earlier_ids_notification_id ON earlier_ids (notification_id);

-- What was said of messages that are not known yet. It is kept for some minutes.
CREATE TABLE receipts (
    external_id TEXT PRIMARY KEY NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('queued', 'sent', 'delivered', 'read', 'failed', 'undelivered')),
    error_code  INTEGER,
    -- When it was heard.
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX receipts_at ON receipts (at);
