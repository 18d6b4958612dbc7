-- What is kept of a person can be given back and erased. Programs of the version before run on beside this.

-- What else came from a number.
CREATE INDEX IF NOT EXISTS messages_from_phone ON messages (from_phone)
    WHERE from_phone IS NOT NULL AND sender <> 'manager';

-- Which questions had a ticket among their choices.
CREATE INDEX IF NOT EXISTS questions_choices ON questions USING gin (string_to_array(choices, ' '));

ALTER TABLE trail DROP CONSTRAINT IF EXISTS trail_act_check;
ALTER TABLE trail ADD CONSTRAINT trail_act_check
    CHECK (act IN ('status', 'priority', 'reply', 'attach', 'redeliver', 'redeliver_dead', 'erase'));
