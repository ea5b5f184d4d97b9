//! The facts of Dialpad's API that a client can get wrong: fields, words and limits. Source: the
//! OpenAPI document Dialpad publishes (`dialpad_api_spec.json` of github.com/dialpad/
//! dialpad-python-sdk, commit 4beb560), schema names as given there.

use std::time::Duration;

use crate::vendors::{Field, Kind, optional, required};

/// `schemas.call.RingCallMessage`.
pub(super) const RING_CALL: &[Field] = &[
    optional("custom_data", Kind::Text),
    optional("device_id", Kind::Text),
    optional("group_id", Kind::Integer),
    optional(
        "group_type",
        Kind::Word(&["callcenter", "department", "office"]),
    ),
    optional("is_consult", Kind::Boolean),
    optional("outbound_caller_id", Kind::Text),
    required("phone_number", Kind::Text),
    required("user_id", Kind::Integer),
];

/// `schemas.call.TransferCallMessage`; Dialpad documents no field of it as required, but a
/// transfer to nowhere is none.
pub(super) const TRANSFER: &[Field] = &[
    optional("custom_data", Kind::Text),
    required(
        "to",
        Kind::OneOf(&[
            &[required("call_id", Kind::Integer)],
            &[required("number", Kind::Text)],
            &[
                required("target_id", Kind::Integer),
                required("target_type", Kind::Word(TRANSFER_TARGETS)),
            ],
        ]),
    ),
    optional(
        "transfer_state",
        Kind::Word(&["hold", "parked", "preanswer", "voicemail"]),
    ),
];
const TRANSFER_TARGETS: &[&str] = &["callcenter", "department", "office", "user"];

/// `schemas.call.UpdateActiveCallMessage`.
pub(super) const ACTIVE_CALL: &[Field] = &[
    optional("is_recording", Kind::Boolean),
    optional("play_message", Kind::Boolean),
    optional("recording_type", Kind::Word(&["all", "group", "user"])),
];

/// `schemas.webhook.CreateWebhook`.
pub(super) const CREATE_WEBHOOK: &[Field] = &[
    required("hook_url", Kind::Text),
    optional("secret", Kind::Text),
];

/// `schemas.webhook.UpdateWebhook`.
pub(super) const UPDATE_WEBHOOK: &[Field] = &[
    optional("hook_url", Kind::Text),
    optional("secret", Kind::Text),
];

/// `schemas.call_event_subscription.CreateCallEventSubscription`, and the same to update it.
pub(super) const CALL_SUBSCRIPTION: &[Field] = &[
    optional("call_states", Kind::Words(CALL_STATES)),
    optional("enabled", Kind::Boolean),
    optional("endpoint_id", Kind::Integer),
    optional("group_calls_only", Kind::Boolean),
    optional("target_id", Kind::Integer),
    optional("target_type", Kind::Word(TARGET_TYPES)),
];

/// `schemas.sms_event_subscription.CreateSmsEventSubscription`.
pub(super) const CREATE_SMS_SUBSCRIPTION: &[Field] = &[
    required("direction", Kind::Word(&["all", "inbound", "outbound"])),
    optional("enabled", Kind::Boolean),
    optional("endpoint_id", Kind::Integer),
    optional("include_internal", Kind::Boolean),
    optional("status", Kind::Boolean),
    optional("target_id", Kind::Integer),
    optional("target_type", Kind::Word(TARGET_TYPES)),
];

/// `schemas.agent_status_event_subscription.CreateAgentStatusEventSubscription`.
pub(super) const CREATE_STATUS_SUBSCRIPTION: &[Field] = &[
    required("agent_type", Kind::Word(&["callcenter"])),
    optional("enabled", Kind::Boolean),
    optional("endpoint_id", Kind::Integer),
];

/// `schemas.recording_share_link.CreateRecordingShareLink`.
pub(super) const SHARE_LINK: &[Field] = &[
    optional(
        "privacy",
        Kind::Word(&["admin", "company", "owner", "public"]),
    ),
    required("recording_id", Kind::Text),
    required(
        "recording_type",
        Kind::Word(&["admincallrecording", "callrecording", "voicemail"]),
    ),
];

/// `schemas.oauth.AuthorizationCodeGrantBodySchema`; Dialpad's page on OAuth has the redirect
/// address beside it.
pub(super) const CODE_GRANT: &[&str] = &[
    "grant_type",
    "code",
    "client_id",
    "client_secret",
    "code_verifier",
    "redirect_uri",
];

/// `schemas.oauth.RefreshTokenGrantBodySchema`.
pub(super) const REFRESH_GRANT: &[&str] =
    &["grant_type", "refresh_token", "client_id", "client_secret"];

/// What can be subscribed to.
pub(super) const TARGET_TYPES: &[&str] = &[
    "callcenter",
    "callrouter",
    "channel",
    "coachinggroup",
    "coachingteam",
    "department",
    "office",
    "room",
    "staffgroup",
    "unknown",
    "user",
];

const CALL_STATES: &[&str] = &[
    "admin",
    "admin_recording",
    "ai_playbook",
    "all",
    "barge",
    "blocked",
    "call_transcription",
    "calling",
    "connected",
    "csat",
    "dispositions",
    "eavesdrop",
    "hangup",
    "hold",
    "merged",
    "missed",
    "monitor",
    "parked",
    "pcsat",
    "postcall",
    "preanswer",
    "queued",
    "recap_action_items",
    "recap_outcome",
    "recap_purposes",
    "recap_summary",
    "recording",
    "ringing",
    "takeover",
    "transcription",
    "voicemail",
    "voicemail_uploaded",
];

/// Parameters of `GET /api/v2/call`.
pub(super) const CALL_LIST: &[&str] = &[
    "cursor",
    "started_after",
    "started_before",
    "target_id",
    "target_type",
];

/// The parameters of `users.list`; `limit` is given up, and answered with 400 now and then.
pub(super) const USER_LIST: &[&str] = &["company_admin", "cursor", "email", "number", "state"];
/// The words of its `state`, beside `all`.
pub(super) const USER_STATES: &[&str] = &["active", "cancelled", "deleted", "pending", "suspended"];

const MINUTE: Duration = Duration::from_secs(60);

/// "Rate limit: … per minute" of each operation's description; the limit of placing calls is for
/// each user ("Rate limits", developers.dialpad.com/docs/rate-limits).
pub(super) fn limit(method: &str, path: &str) -> (usize, Duration) {
    let requests = match (method, path) {
        ("POST", "/api/v2/call") => 5,
        ("POST", "/api/v2/webhooks" | "/api/v2/recordingsharelink") => 100,
        ("GET", path) if path.starts_with("/api/v2/call/") => 10,
        _ => 1200,
    };
    (requests, MINUTE)
}

/// All requests of a company, the same page.
pub(super) const COMPANY_LIMIT: (usize, Duration) = (20, Duration::from_secs(1));
