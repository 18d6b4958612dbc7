DROP TABLE receipts;
DROP TABLE earlier_ids;
ALTER TABLE notifications DROP COLUMN round;
ALTER TABLE notifications DROP COLUMN route;
ALTER TABLE notifications DROP COLUMN progress;
DROP INDEX messages_question_id;
ALTER TABLE messages DROP COLUMN question_id;
DROP TABLE questions;
DROP INDEX tickets_open;
