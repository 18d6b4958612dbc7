DELETE FROM previous_external_ids WHERE notification_id IN (
    SELECT id FROM notifications WHERE event = 'ticket.attachment');
DELETE FROM notifications WHERE event = 'ticket.attachment';
ALTER TABLE messages DROP COLUMN attachments;
DROP TABLE files;
