-- What is kept of a person can be given back and erased. Programs of the version before run on beside this.

-- What else came from a number.
CREATE INDEX messages_from_phone ON messages (from_phone) WHERE from_phone IS NOT NULL AND sender <> 'manager';

-- As before, and `erase`.
CREATE TEMP TABLE trail_before AS SELECT id, at, ticket_id, act, was, became, subject, amount FROM trail ORDER BY id;
DROP TABLE trail;
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
    SELECT id, at, ticket_id, act, was, became, subject, amount FROM trail_before;
DROP TABLE trail_before;
CREATE INDEX trail_ticket_id ON trail (ticket_id, id);
