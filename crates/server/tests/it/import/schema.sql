-- The tables of the Dialpad CTI server that an import reads, as its newest schema has them: times
-- without a zone, Dialpad's ids as BIGINT, unique over all tenants.
CREATE TABLE apps (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL,
    api_key text UNIQUE, is_active boolean DEFAULT true, api_key_rotated_at timestamp,
    created_at timestamp DEFAULT now(), updated_at timestamp DEFAULT now());
CREATE TABLE dialpad_connections (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES apps, dialpad_org_id bigint, access_token text NOT NULL,
    refresh_token text NOT NULL, token_expires_at timestamp NOT NULL, environment text,
    created_at timestamp DEFAULT now(), updated_at timestamp DEFAULT now());
CREATE TABLE dialpad_user_mappings (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES apps, dialpad_user_id bigint NOT NULL,
    crm_user_id text NOT NULL, created_at timestamp DEFAULT now(),
    updated_at timestamp DEFAULT now(), UNIQUE (app_id, dialpad_user_id));
CREATE TABLE api_key_audit_log (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES apps, action text NOT NULL, old_key_hint text,
    new_key_hint text, created_at timestamp DEFAULT now());
CREATE TABLE calls (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES apps, dialpad_call_id bigint UNIQUE NOT NULL,
    direction text, from_number text, to_number text, status text, dialpad_user_id bigint,
    started_at timestamp, ended_at timestamp, duration_seconds integer, recording_url text,
    is_voicemail boolean DEFAULT false, voicemail_audio_url text, voicemail_transcript text,
    raw_payload jsonb, created_at timestamp DEFAULT now());
CREATE TABLE messages (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES apps, dialpad_message_id bigint UNIQUE NOT NULL,
    direction text, from_number text, to_number text, text text, dialpad_user_id bigint,
    sent_at timestamp, created_at timestamp DEFAULT now());
CREATE TABLE voicemails (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES apps, dialpad_call_id bigint, dialpad_user_id bigint,
    from_number text, to_number text, recording_url text, transcript text,
    duration_seconds integer, created_at timestamp DEFAULT now(),
    updated_at timestamp DEFAULT now());
