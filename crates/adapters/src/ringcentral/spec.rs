//! What the RingCentral adapter says about itself.

use switchhook_engine::adapter::{AdapterSpec, Capability, ConfigField, FieldKind, Transport};

/// Setting: where RingCentral's REST API is.
pub(super) const SERVER_URL: &str = "server_url";
/// Setting: the app's client id.
pub(super) const CLIENT_ID: &str = "client_id";
/// Setting: the app's client secret.
pub(super) const CLIENT_SECRET: &str = "client_secret";
/// Setting: a JWT credential, in place of a person's sign-in.
pub(super) const JWT: &str = "jwt";
/// Setting: the account the events belong to. The engine finds connections by this name.
pub(super) const ACCOUNT_ID: &str = "company_id";
/// Setting: extensions that are no people.
pub(super) const ROUTING_EXTENSIONS: &str = "routing_extensions";

/// Setting: how events arrive.
pub(super) const TRANSPORT: &str = "transport";
/// Its words: RingCentral posts to us, or we keep a socket open to RingCentral.
pub(super) const WEBHOOK: &str = "webhook";
pub(super) const WEBSOCKET: &str = "websocket";

/// RingCentral's production API (platforms.md, section 2).
pub(super) const DEFAULT_SERVER: &str = "https://platform.ringcentral.com";

/// See [`AdapterSpec`].
pub(super) static SPEC: AdapterSpec = AdapterSpec {
    platform: "ringcentral",
    title: "RingCentral",
    summary: "RingCentral sends telephony session, voicemail, SMS and presence events to a \
              webhook, or over a socket that needs no public address; Switchhook subscribes to \
              either by itself.",
    config: &[
        ConfigField {
            name: CLIENT_ID,
            label: "Client id",
            help: "Of your app in RingCentral's developer console, such as \
                   aBcD3fGhIjKlMnOpQrStUv. Without it events are taken in, but nothing is asked \
                   of RingCentral.",
            kind: FieldKind::Text,
            required: false,
            default: None,
        },
        ConfigField {
            name: CLIENT_SECRET,
            label: "Client secret",
            help: "Of the same app; leave it empty for a public app, which signs in with PKCE \
                   alone.",
            kind: FieldKind::Secret,
            required: false,
            default: None,
        },
        ConfigField {
            name: JWT,
            label: "JWT credential",
            help: "From the console under Credentials; with it nobody has to sign in through a \
                   browser.",
            kind: FieldKind::Secret,
            required: false,
            default: None,
        },
        ConfigField {
            name: TRANSPORT,
            label: "How events arrive",
            help: "webhook: RingCentral posts to this server, which must be reachable from the \
                   internet by https. websocket: this server keeps a socket open to RingCentral \
                   and needs no public address; the app needs the permission WebSockets \
                   Subscriptions.",
            kind: FieldKind::Choice(&[WEBHOOK, WEBSOCKET]),
            required: false,
            default: Some(WEBHOOK),
        },
        ConfigField {
            name: ROUTING_EXTENSIONS,
            label: "Queues and menus",
            help: "Extension ids, one a line, of queues and menus that show as agents, such as \
                   400100900.",
            kind: FieldKind::List,
            required: false,
            default: None,
        },
        ConfigField {
            name: ACCOUNT_ID,
            label: "Account id",
            help: "Only for events posted without a hook id: the account by which they are \
                   recognised, such as 400100100.",
            kind: FieldKind::Text,
            required: false,
            default: None,
        },
        ConfigField {
            name: SERVER_URL,
            label: "Server",
            help: "Where the REST API is; change it only for partner brands.",
            kind: FieldKind::Url,
            required: false,
            default: Some(DEFAULT_SERVER),
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
        Capability::Originate,
        Capability::ControlAnswer,
        Capability::ControlHangUp,
        Capability::ControlReject,
        Capability::ControlHold,
        Capability::ControlTransferBlind,
        Capability::ControlTransferAttended,
        Capability::ControlMute,
        Capability::ControlPark,
        Capability::ControlRecording,
        Capability::ListUsers,
    ],
    lacks: &[
        (
            Capability::Transcript,
            "RingCentral writes down voicemail only; transcripts of calls are another product.",
        ),
        (
            Capability::ControlDtmf,
            "RingCentral's call control has no request that sends tones.",
        ),
    ],
    transports: &[Transport::Webhook, Transport::Socket],
    // RingCentral repeats and then blacklists a subscription whose address keeps refusing; with
    // the wrong token that is what should happen, and the keeper makes a new one.
    bad_signature_status: 401,
};
