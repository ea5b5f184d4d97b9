//! What the Dialpad adapter says about itself.

use switchhook_engine::adapter::{AdapterSpec, Capability, ConfigField, FieldKind, Transport};

/// Setting: the header in which a JSON body is signed.
pub(super) const SIGNATURE_HEADER: &str = "signature_header";
/// Setting: the company the events belong to.
pub(super) const COMPANY_ID: &str = "company_id";

/// Setting: a company API key.
pub(super) const API_KEY: &str = "api_key";
/// Setting: the client id of an OAuth app.
pub(super) const CLIENT_ID: &str = "client_id";
/// Setting: its secret.
pub(super) const CLIENT_SECRET: &str = "client_secret";
/// Setting: the scopes a sign-in asks for.
pub(super) const SCOPES: &str = "scopes";
/// Setting: where Dialpad is.
pub(super) const BASE_URL: &str = "base_url";
/// Setting: who makes the webhook and the subscriptions.
pub(super) const SUBSCRIPTIONS: &str = "subscriptions";
/// Setting: what is subscribed to.
pub(super) const TARGET_TYPE: &str = "target_type";
/// Setting: which one of them.
pub(super) const TARGET_ID: &str = "target_id";
/// Setting: which states of calls are sent.
pub(super) const CALL_STATES: &str = "call_states";
/// Setting: who may open links to recordings.
pub(super) const RECORDING_LINKS: &str = "recording_links";

/// Dialpad itself; its sandbox is `https://sandbox.dialpad.com`.
pub(super) const DEFAULT_BASE: &str = "https://dialpad.com";

/// The states a call record needs.
pub(super) const USUAL_STATES: &[&str] = &[
    "calling",
    "ringing",
    "preanswer",
    "queued",
    "connected",
    "hold",
    "parked",
    "merged",
    "hangup",
    "missed",
    "blocked",
    "voicemail",
    "voicemail_uploaded",
    "recording",
    "admin_recording",
    "call_transcription",
    "transcription",
    "dispositions",
];

/// The other states Dialpad knows (`call_states` of `POST /api/v2/subscriptions/call`).
pub(super) const OTHER_STATES: &[&str] = &[
    "admin",
    "ai_playbook",
    "all",
    "barge",
    "csat",
    "eavesdrop",
    "monitor",
    "pcsat",
    "postcall",
    "recap_action_items",
    "recap_outcome",
    "recap_purposes",
    "recap_summary",
    "takeover",
];

const fn field(
    name: &'static str,
    label: &'static str,
    kind: FieldKind,
    default: Option<&'static str>,
    help: &'static str,
) -> ConfigField {
    ConfigField {
        name,
        label,
        help,
        kind,
        required: false,
        default,
    }
}

static CONFIG: &[ConfigField] = &[
    field(
        API_KEY,
        "API key",
        FieldKind::Secret,
        None,
        "A company administrator's key (Admin, My Company, Authentication, API Keys). With it \
         Switchhook sets up its events by itself, dials and steers calls.",
    ),
    field(
        CLIENT_ID,
        "OAuth client id",
        FieldKind::Text,
        None,
        "In place of an API key: the client id of your OAuth app at Dialpad; an administrator \
         then signs in.",
    ),
    field(
        CLIENT_SECRET,
        "OAuth client secret",
        FieldKind::Secret,
        None,
        "The client secret of your OAuth app at Dialpad.",
    ),
    field(
        SCOPES,
        "OAuth scopes",
        FieldKind::Text,
        Some("calls:list recordings_export message_content_export:all offline_access"),
        "What a sign-in asks for, as the OAuth app was granted it; offline_access is what keeps \
         it alive.",
    ),
    field(
        BASE_URL,
        "Address of Dialpad",
        FieldKind::Url,
        Some(DEFAULT_BASE),
        "https://dialpad.com, or https://sandbox.dialpad.com for a sandbox.",
    ),
    field(
        SUBSCRIPTIONS,
        "Events are set up",
        FieldKind::Choice(&["automatic", "by_hand"]),
        Some("automatic"),
        "automatic: Switchhook makes and keeps webhook and subscriptions at Dialpad, when it has \
         an API key or a sign-in. by_hand: you do.",
    ),
    field(
        TARGET_TYPE,
        "Events of",
        FieldKind::Choice(&["company", "office", "department", "callcenter", "user"]),
        Some("company"),
        "Whose calls and messages to follow; everything but company needs target_id.",
    ),
    field(
        TARGET_ID,
        "Target id",
        FieldKind::Text,
        None,
        "The Dialpad id of the office, department, call centre or user, such as 4700000000000001.",
    ),
    field(
        CALL_STATES,
        "Call states",
        FieldKind::List,
        None,
        "Which states of calls Dialpad sends; leave it out for all that a call record needs.",
    ),
    field(
        RECORDING_LINKS,
        "Links to recordings",
        FieldKind::Choice(&["unchanged", "owner", "admin", "company", "public"]),
        Some("unchanged"),
        "unchanged: as Dialpad sends them, which asks for a Dialpad sign-in. Otherwise \
         Switchhook makes share links that these people can open.",
    ),
    field(
        COMPANY_ID,
        "Company or office id",
        FieldKind::Text,
        None,
        "Only for events posted to /webhooks/dialpad without a hook id: the id by which they are \
         recognised, such as 4800000000000001.",
    ),
    field(
        SIGNATURE_HEADER,
        "Signature header",
        FieldKind::Text,
        Some("x-dialpad-signature"),
        "Only for senders that sign a JSON body in a header; Dialpad itself does not.",
    ),
];

/// See [`AdapterSpec`].
pub(super) static SPEC: AdapterSpec = AdapterSpec {
    platform: "dialpad",
    title: "Dialpad",
    summary: "Dialpad posts call, SMS and agent-status events to a webhook, signed as a JWT.",
    config: CONFIG,
    capabilities: &[
        Capability::Ringing,
        Capability::Answered,
        Capability::Hold,
        Capability::Transfer,
        Capability::Rejected,
        Capability::Voicemail,
        Capability::Recording,
        Capability::Messages,
        Capability::Presence,
        Capability::Queue,
        Capability::Transcript,
        Capability::Originate,
        Capability::ControlHangUp,
        Capability::ControlTransferBlind,
        Capability::ControlRecording,
        Capability::ListUsers,
    ],
    lacks: &[
        (
            Capability::ControlAnswer,
            "Dialpad lets nobody else pick up: answer in the Dialpad app.",
        ),
        (
            Capability::ControlReject,
            "Dialpad lets nobody else decline a call: decline it in the Dialpad app.",
        ),
        (
            Capability::ControlHold,
            "Dialpad lets nobody else hold a call: hold it in the Dialpad app.",
        ),
        (
            Capability::ControlTransferAttended,
            "Dialpad transfers only without asking first; to ask first, use the Dialpad app.",
        ),
        (
            Capability::ControlDtmf,
            "Dialpad lets nobody else send tones: use the keypad of the Dialpad app.",
        ),
        (
            Capability::ControlMute,
            "Dialpad lets nobody else mute a microphone: mute it in the Dialpad app.",
        ),
        (
            Capability::ControlPark,
            "Dialpad can take a call out of the parking lot but not park one for others: park it \
             in the Dialpad app.",
        ),
    ],
    transports: &[Transport::Webhook],
    // Dialpad never repeats an event that was answered 4xx, 429 included ("Webhook delivery
    // failures"); a bad signature does not get better by repeating it.
    bad_signature_status: 401,
};
