//! What the CallVoip adapter says about itself: capabilities, what it lacks and why, settings. The
//! platform's own API is described to customers only, so its requests are settings; the defaults
//! are those of the predecessor's set-up document.

use switchhook_engine::adapter::{AdapterSpec, Capability, ConfigField, FieldKind, Transport};

/// Setting: the header of the signature.
pub(super) const SIGNATURE_HEADER: &str = "signature_header";
/// Setting: how the signature is written.
pub(super) const SIGNATURE_ENCODING: &str = "signature_encoding";
/// [`SIGNATURE_ENCODING`]: base64.
pub(super) const BASE64: &str = "base64";
/// Setting: what the dial plan is answered.
pub(super) const DIAL_PLAN_REPLY: &str = "dial_plan_reply";
/// Setting: the API's address.
pub(super) const BASE_URL: &str = "api_base_url";
/// Setting: the API's key.
pub(super) const API_KEY: &str = "api_key";
/// Setting: how the key is sent.
pub(super) const API_AUTH: &str = "api_auth";
/// [`API_AUTH`]: in a header of its own.
pub(super) const X_API_KEY: &str = "x-api-key";
/// Setting: where an answer names the call.
pub(super) const CALL_ID_FIELD: &str = "call_id_field";
/// Setting: a request that shows whether the key is good.
pub(super) const TEST: &str = "test_request";
/// Setting: places a call.
pub(super) const ORIGINATE: &str = "originate_request";
/// Its default.
pub(super) const ORIGINATE_DEFAULT: &str =
    r#"POST /calls {"extension":"{extension}","target":"{target}","callerId":"{caller_id}"}"#;

/// The settings that describe a way of steering calls, and what each is for.
pub(super) const CONTROLS: [(&str, Capability); 8] = [
    ("answer_request", Capability::ControlAnswer),
    ("hangup_request", Capability::ControlHangUp),
    ("hold_request", Capability::ControlHold),
    ("resume_request", Capability::ControlHold),
    ("transfer_request", Capability::ControlTransferBlind),
    (
        "attended_transfer_request",
        Capability::ControlTransferAttended,
    ),
    ("recording_on_request", Capability::ControlRecording),
    ("recording_off_request", Capability::ControlRecording),
];

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

const fn request(name: &'static str, label: &'static str, help: &'static str) -> ConfigField {
    field(name, label, help, FieldKind::Text, None)
}

/// See [`AdapterSpec`].
pub(super) static SPEC: AdapterSpec = AdapterSpec {
    platform: "callvoip",
    title: "CallVoip",
    summary: "A relay posts signed events, or the Webhook block of a dial plan posts one event as \
              a call passes it.",
    config: &[
        field(
            BASE_URL,
            "API address",
            "Only for placing and steering calls: the address in CallVoip's API document, such \
             as https://api.callvoip.example/v2.",
            FieldKind::Url,
            None,
        ),
        field(
            API_KEY,
            "API key",
            "The key or token for that API.",
            FieldKind::Secret,
            None,
        ),
        field(
            API_AUTH,
            "How the key is sent",
            "bearer for Authorization: Bearer, x-api-key for a header of that name.",
            FieldKind::Choice(&["bearer", X_API_KEY]),
            Some("bearer"),
        ),
        field(
            ORIGINATE,
            "Request: place a call",
            "Method, path and JSON body; known words in braces are filled in: extension, user_id, \
             target, caller_id, dial_id.",
            FieldKind::Text,
            Some(ORIGINATE_DEFAULT),
        ),
        field(
            CALL_ID_FIELD,
            "Call id in the answer",
            "Where the answer to that names the call, such as callId or data.call.id.",
            FieldKind::Text,
            Some("callId"),
        ),
        request(
            "hangup_request",
            "Request: hang up",
            "As your API document has it, such as DELETE /calls/{call_id}.",
        ),
        request(
            "answer_request",
            "Request: answer",
            "As your API document has it, such as POST /calls/{call_id}/answer.",
        ),
        request(
            "hold_request",
            "Request: hold",
            "As your API document has it, such as POST /calls/{call_id}/hold.",
        ),
        request(
            "resume_request",
            "Request: resume",
            "As your API document has it, such as POST /calls/{call_id}/resume.",
        ),
        request(
            "transfer_request",
            "Request: transfer",
            "Such as POST /calls/{call_id}/transfer {\"to\":\"{to}\"}.",
        ),
        request(
            "attended_transfer_request",
            "Request: attended transfer",
            "As your API document has it, such as POST /calls/{call_id}/consult {\"to\":\"{to}\"}.",
        ),
        request(
            "recording_on_request",
            "Request: record",
            "As your API document has it, such as POST /calls/{call_id}/record.",
        ),
        request(
            "recording_off_request",
            "Request: stop recording",
            "As your API document has it, such as DELETE /calls/{call_id}/record.",
        ),
        request(
            TEST,
            "Request: test",
            "One that changes nothing, to see whether the key is good, such as GET /extensions.",
        ),
        field(
            DIAL_PLAN_REPLY,
            "Answer to the dial plan",
            "Plain text, which a Condition block of the plan may test, such as ok.",
            FieldKind::Text,
            Some("ok"),
        ),
        field(
            SIGNATURE_HEADER,
            "Signature header",
            "Where the relay puts the signature; X-Signature is always read as well.",
            FieldKind::Text,
            Some("x-pipelinq-signature"),
        ),
        field(
            SIGNATURE_ENCODING,
            "Signature encoding",
            "hex, or base64 for relays that write it so.",
            FieldKind::Choice(&["hex", BASE64]),
            Some("hex"),
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
        Capability::Presence,
        Capability::Queue,
        Capability::Originate,
        Capability::ControlAnswer,
        Capability::ControlHangUp,
        Capability::ControlHold,
        Capability::ControlTransferBlind,
        Capability::ControlTransferAttended,
        Capability::ControlRecording,
    ],
    lacks: &[
        (
            Capability::Messages,
            "CallVoip's events tell nothing of text messages.",
        ),
        (
            Capability::Transcript,
            "CallVoip's events carry no transcripts.",
        ),
        (
            Capability::ControlReject,
            "CallVoip's API is known to hang up, not to decline; decline on the telephone.",
        ),
        (
            Capability::ControlDtmf,
            "CallVoip's API is not known to send tones; press the keys of the telephone.",
        ),
        (
            Capability::ControlMute,
            "CallVoip's API is not known to mute; mute on the telephone.",
        ),
        (
            Capability::ControlPark,
            "CallVoip's API is not known to park calls; park on the telephone.",
        ),
        (
            Capability::ListUsers,
            "CallVoip has published no form of its list of extensions; map them by hand.",
        ),
    ],
    transports: &[Transport::Webhook],
    // As the predecessor's callers expect; a relay repeats on 5xx, not on 4xx.
    bad_signature_status: 401,
};
