-- The person who minted the token, and with whom it ends; null when a key did.
ALTER TABLE agent_tokens ADD COLUMN user_id UUID;
