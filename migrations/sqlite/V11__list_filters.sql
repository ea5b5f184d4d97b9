-- Talk time beside the other columns that lists filter and sort by. Null while a call lasts.
ALTER TABLE calls ADD COLUMN duration_seconds INTEGER;

UPDATE calls SET duration_seconds = (
    SELECT json_extract(b.record, '$.duration_seconds') FROM call_bodies b WHERE b.row = calls.row
);

-- What lists of messages filter by: recipients one a line, with a line's end before and after.
ALTER TABLE messages ADD COLUMN from_number TEXT;
ALTER TABLE messages ADD COLUMN to_numbers TEXT;
ALTER TABLE messages ADD COLUMN user_id TEXT;

-- Filled in when they are opened, as the ids were.
UPDATE messages SET id = NULL;
