-- Who holds a link or a session: a person with an account, or an agent in an embedded panel whose
-- token a key minted. Empty for links that operators make.

ALTER TABLE sign_in_links ADD COLUMN user_id BLOB;
ALTER TABLE sign_in_links ADD COLUMN agent_id BLOB;
ALTER TABLE sign_in_links ADD COLUMN key_id BLOB;

ALTER TABLE sessions ADD COLUMN user_id BLOB;
ALTER TABLE sessions ADD COLUMN agent_id BLOB;
ALTER TABLE sessions ADD COLUMN key_id BLOB;
