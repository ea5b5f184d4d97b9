//! What the Wildix adapter says about itself: capabilities, what it lacks and why, settings.

use switchhook_engine::adapter::{AdapterSpec, Capability, ConfigField, FieldKind, Transport};

/// Setting: the company the events belong to.
pub(super) const COMPANY: &str = "company_id";
/// Setting: the PBX's address.
pub(super) const PBX_URL: &str = "pbx_url";
/// Setting: how requests to the PBX prove themselves.
pub(super) const AUTH: &str = "auth";
/// [`AUTH`]: a bearer token, simple token or company API key.
pub(super) const AUTH_TOKEN: &str = "token";
/// [`AUTH`]: a server-to-server application.
pub(super) const AUTH_S2S: &str = "s2s";
/// Setting: the bearer token.
pub(super) const TOKEN: &str = "api_token";
/// Setting: application id.
pub(super) const APP_ID: &str = "s2s_app_id";
/// Setting: application name.
pub(super) const APP_NAME: &str = "s2s_app_name";
/// Setting: application secret.
pub(super) const APP_SECRET: &str = "s2s_secret";
/// Setting: the queue.
pub(super) const SQS_URL: &str = "sqs_queue_url";
/// Setting: access key id.
pub(super) const SQS_KEY_ID: &str = "sqs_access_key_id";
/// Setting: secret access key.
pub(super) const SQS_SECRET_KEY: &str = "sqs_secret_access_key";
/// Setting: the key Wildix signs with, when it is another one.
pub(super) const SQS_SIGNING_KEY: &str = "sqs_signing_key";
/// Setting: region, when the address does not say it.
pub(super) const SQS_REGION: &str = "sqs_region";
/// Setting: another server than AWS.
pub(super) const SQS_ENDPOINT: &str = "sqs_endpoint";
/// Setting: where messages go that nobody believes.
pub(super) const SQS_DEAD_LETTER_URL: &str = "sqs_dead_letter_url";
/// Setting: how often such a message may come.
pub(super) const SQS_MAX_RECEIVES: &str = "sqs_max_receives";
/// Setting: how long a message stays hidden while it is stored.
pub(super) const SQS_VISIBILITY: &str = "sqs_visibility_seconds";

const fn field(
    name: &'static str,
    label: &'static str,
    help: &'static str,
    kind: FieldKind,
    default: Option<&'static str>,
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

/// See [`AdapterSpec`].
pub(super) static SPEC: AdapterSpec = AdapterSpec {
    platform: "wildix",
    title: "Wildix",
    summary: "Wildix posts signed call, presence and SMS events to a webhook, or puts them into \
              an SQS queue that is read.",
    config: &[
        field(
            PBX_URL,
            "PBX address",
            "Only for placing and steering calls, such as https://acme.wildixin.com.",
            FieldKind::PbxUrl,
            None,
        ),
        field(
            AUTH,
            "Sign-in",
            "token for a simple token or company API key, s2s for a server-to-server application.",
            FieldKind::Choice(&[AUTH_TOKEN, AUTH_S2S]),
            Some(AUTH_TOKEN),
        ),
        field(
            TOKEN,
            "API token",
            "A simple token of an administrator, or a company API key such as wsk-v1-….",
            FieldKind::Secret,
            None,
        ),
        field(
            APP_ID,
            "Application id",
            "Of the server-to-server application in WMS › PBX › Integrations › Applications.",
            FieldKind::Text,
            None,
        ),
        field(
            APP_NAME,
            "Application name",
            "The name that application was given, exactly as it stands there.",
            FieldKind::Text,
            None,
        ),
        field(
            APP_SECRET,
            "Application secret",
            "The secret key of that application.",
            FieldKind::Secret,
            None,
        ),
        field(
            SQS_URL,
            "SQS queue",
            "The queue Wildix puts events into, such as \
             https://sqs.eu-central-1.amazonaws.com/123456789012/wildix; empty for webhooks.",
            FieldKind::Url,
            None,
        ),
        field(
            SQS_KEY_ID,
            "SQS access key id",
            "Of an AWS user who may receive and delete messages of that queue.",
            FieldKind::Text,
            None,
        ),
        field(
            SQS_SECRET_KEY,
            "SQS secret access key",
            "The secret that belongs to that access key id.",
            FieldKind::Secret,
            None,
        ),
        field(
            SQS_SIGNING_KEY,
            "SQS signing key",
            "The secret access key typed into the Wildix integration, when it is another one \
             than the one the queue is read with.",
            FieldKind::Secret,
            None,
        ),
        field(
            SQS_REGION,
            "SQS region",
            "Only when the queue's address does not name it, such as eu-central-1.",
            FieldKind::Text,
            None,
        ),
        field(
            SQS_ENDPOINT,
            "SQS server",
            "Only for an SQS-compatible server other than AWS, such as http://127.0.0.1:9324.",
            FieldKind::Url,
            None,
        ),
        field(
            SQS_DEAD_LETTER_URL,
            "SQS dead-letter queue",
            "Where messages with a bad signature go; without it they are noted and deleted.",
            FieldKind::Url,
            None,
        ),
        field(
            SQS_MAX_RECEIVES,
            "Tries for a bad signature",
            "How often a message with a bad signature may come before it is set aside, 1 to 100.",
            FieldKind::Integer,
            Some("5"),
        ),
        field(
            SQS_VISIBILITY,
            "Hiding of messages",
            "Seconds a message stays hidden while it is stored, extended when that takes longer; \
             after a crash it comes again when they are over. 1 to 43200.",
            FieldKind::Integer,
            Some("60"),
        ),
        field(
            COMPANY,
            "Company",
            "Only for events posted without a hook id: their `company`, such as it_w000001.",
            FieldKind::Text,
            None,
        ),
    ],
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
        Capability::Originate,
        Capability::ControlAnswer,
        Capability::ControlHangUp,
        Capability::ControlReject,
        Capability::ControlHold,
        Capability::ControlTransferBlind,
        Capability::ControlTransferAttended,
        Capability::ControlDtmf,
        Capability::ListUsers,
    ],
    lacks: &[
        (
            Capability::Transcript,
            "The shape of Wildix's transcription event is not published.",
        ),
        (
            Capability::ControlMute,
            "Wildix's call control has no request to mute a microphone; mute on the device.",
        ),
        (
            Capability::ControlPark,
            "Wildix's call control has no request to park a call; park it on the device.",
        ),
        (
            Capability::ControlRecording,
            "Wildix's call control has no request to pause a recording; pause it on the device.",
        ),
    ],
    transports: &[Transport::Webhook, Transport::Queue],
    // Up to three repeats, on failures of network and server only; a bad signature does not get
    // better by repeating it.
    bad_signature_status: 401,
};
