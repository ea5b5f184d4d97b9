//! What the Dialpad adapter says about itself.

use switchhook_engine::adapter::{AdapterSpec, Capability, ConfigField, FieldKind, Transport};

/// Setting: the header in which a JSON body is signed.
pub(super) const SIGNATURE_HEADER: &str = "signature_header";
/// Setting: the company the events belong to.
pub(super) const COMPANY_ID: &str = "company_id";

/// See [`AdapterSpec`].
pub(super) static SPEC: AdapterSpec = AdapterSpec {
    platform: "dialpad",
    title: "Dialpad",
    summary: "Dialpad posts call, SMS and agent-status events to a webhook, signed as a JWT.",
    config: &[
        ConfigField {
            name: COMPANY_ID,
            label: "Company or office id",
            help: "Only for events posted to /webhooks/dialpad without a hook id: the id by \
                   which they are recognised, such as 4800000000000001.",
            kind: FieldKind::Text,
            required: false,
            default: None,
        },
        ConfigField {
            name: SIGNATURE_HEADER,
            label: "Signature header",
            help: "Only for senders that sign a JSON body in a header; Dialpad itself does not.",
            kind: FieldKind::Text,
            required: false,
            default: Some("x-dialpad-signature"),
        },
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
    ],
    lacks: &[],
    transports: &[Transport::Webhook],
    // Dialpad never repeats an event that was answered 4xx, 429 included ("Webhook delivery
    // failures"); a bad signature does not get better by repeating it.
    bad_signature_status: 401,
};
