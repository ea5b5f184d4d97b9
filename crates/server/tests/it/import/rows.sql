-- Two tenants, one of them switched off, with what a year leaves behind.
INSERT INTO apps (id, name, is_active, created_at) VALUES
    ('00000000-0000-4000-8000-00000000000a', 'Gemeente', true, '2026-01-01 09:00'),
    ('00000000-0000-4000-8000-00000000000b', 'Off', false, '2026-01-02 09:00');
INSERT INTO dialpad_user_mappings (app_id, dialpad_user_id, crm_user_id) VALUES
    ('00000000-0000-4000-8000-00000000000a', 12345, 'user_abc123'),
    ('00000000-0000-4000-8000-00000000000a', 12346, 'user_abc123'),
    ('00000000-0000-4000-8000-00000000000b', 12345, 'user_of_b');
INSERT INTO dialpad_connections (app_id, dialpad_org_id, access_token, refresh_token,
    token_expires_at, environment) VALUES
    ('00000000-0000-4000-8000-00000000000a', 5512345678901234, 'old-access', 'old-refresh',
     '2026-01-01 10:00', 'production');
INSERT INTO calls (app_id, dialpad_call_id, direction, from_number, to_number, status,
    dialpad_user_id, started_at, ended_at, duration_seconds, recording_url, created_at)
SELECT '00000000-0000-4000-8000-00000000000a', 5700000000000000 + n, 'inbound',
    '+1555' || lpad(n::text, 7, '0'), '+15559876543', 'ended', 12345,
    timestamp '2026-03-01 10:00' + n * interval '1 minute',
    timestamp '2026-03-01 10:00' + n * interval '1 minute' + interval '42 seconds', 42,
    CASE WHEN n = 1 THEN 'https://dialpad.com/r/5700000000000001.mp3' END,
    timestamp '2026-03-01 10:00' + n * interval '1 minute' - interval '6 seconds'
FROM generate_series(1, 450) n;
INSERT INTO calls (app_id, dialpad_call_id, direction, from_number, to_number, status,
    started_at, created_at, is_voicemail, voicemail_audio_url) VALUES
    ('00000000-0000-4000-8000-00000000000a', 5800000000000001, 'inbound', '+15551110001',
     '+15559876543', 'ringing', NULL, '2026-02-01 10:00', false, NULL),
    ('00000000-0000-4000-8000-00000000000a', 5800000000000002, NULL, '+15551110002',
     '+15559876543', 'voicemail', NULL, '2026-02-02 10:00', true,
     'https://dialpad.com/v/5900000000000001.mp3'),
    ('00000000-0000-4000-8000-00000000000b', 5800000000000003, 'outbound', '+15559876543',
     '+15551110003', 'active', '2026-02-03 10:00', '2026-02-03 10:00', false, NULL);
INSERT INTO voicemails (app_id, dialpad_call_id, dialpad_user_id, from_number, to_number,
    recording_url, transcript, duration_seconds, created_at) VALUES
    ('00000000-0000-4000-8000-00000000000a', 5800000000000002, 12345, '+15551110002',
     '+15559876543', 'https://dialpad.com/v/5900000000000001.mp3', 'Hi John', 45,
     '2026-02-02 10:01');
INSERT INTO messages (app_id, dialpad_message_id, direction, from_number, to_number, text,
    sent_at, created_at) VALUES
    ('00000000-0000-4000-8000-00000000000a', 6000000000000001, 'inbound', '+15551110004',
     '{"+15559876543","+15559876544"}', 'hello', '2026-02-04 10:00', '2026-02-04 10:00'),
    ('00000000-0000-4000-8000-00000000000a', 6000000000000002, 'outbound', '+15559876543',
     '+15551110004', 'hi', NULL, '2026-02-04 10:01');
