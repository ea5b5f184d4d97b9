-- Who holds a link or a session: a person with an account, or an agent in an embedded panel whose
-- token a key minted. Empty for links that operators make.

ALTER TABLE sign_in_links
    ADD COLUMN user_id UUID,
    ADD COLUMN agent_id UUID,
    ADD COLUMN key_id UUID;

ALTER TABLE sessions
    ADD COLUMN user_id UUID,
    ADD COLUMN agent_id UUID,
    ADD COLUMN key_id UUID;
