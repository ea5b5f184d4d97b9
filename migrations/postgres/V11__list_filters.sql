-- Talk time beside the other columns that lists filter and sort by. Null while a call lasts.
ALTER TABLE calls ADD COLUMN duration_seconds BIGINT;

-- Read as a text: PostgreSQL takes no JSON apart that has a NUL somewhere in it. These two members
-- of a call stand beside one another nowhere else in its record.
UPDATE calls c SET duration_seconds =
    substring(b.record FROM '"duration_seconds":([0-9]{1,15}),"hold_seconds":')::bigint
    FROM call_bodies b WHERE b.app_id = c.app_id AND b.id = c.id;

-- What lists of messages filter by: recipients one a line, with a line's end before and after.
ALTER TABLE messages ADD COLUMN from_number TEXT;
ALTER TABLE messages ADD COLUMN to_numbers TEXT;
ALTER TABLE messages ADD COLUMN user_id TEXT;

-- Filled in when they are opened, as the ids were.
UPDATE messages SET id = NULL;
