DELETE FROM trail WHERE act = 'erase';
ALTER TABLE trail DROP CONSTRAINT trail_act_check;
ALTER TABLE trail ADD CONSTRAINT trail_act_check
    CHECK (act IN ('status', 'priority', 'reply', 'attach', 'redeliver', 'redeliver_dead'));
DROP INDEX questions_choices;
DROP INDEX messages_from_phone;
