//! What the form of an Asterisk connection asks for. How the answers are read:
//! [`super::config`] and [`super::reach`].

use switchhook_engine::adapter::{ConfigField, FieldKind};

/// The fields of the form, in the order in which they are asked.
pub(super) static FIELDS: [ConfigField; 18] = [
    ConfigField {
        name: "transport",
        label: "Interface",
        help: "ARI needs Asterisk 16 or later; AMI works with any. With ari_outbound the PBX \
               connects to us (22.5 or later); with webhook a script at the PBX posts its events.",
        kind: FieldKind::Choice(&["ari", "ami", "ari_outbound", "webhook"]),
        required: false,
        default: Some("ari"),
    },
    ConfigField {
        name: "url",
        label: "ARI address",
        help: "Address of the PBX's HTTP server, with the prefix of http.conf if it has one, \
               such as http://pbx.example.com:8088. For ARI; with webhook only for dialling.",
        kind: FieldKind::PbxUrl,
        required: false,
        default: None,
    },
    ConfigField {
        name: "username",
        label: "User name",
        help: "The user of ari.conf or manager.conf. To listen over ARI a read_only=yes user is \
               enough.",
        kind: FieldKind::Text,
        required: false,
        default: None,
    },
    ConfigField {
        name: "password",
        label: "Password",
        help: "The password of ari.conf or the secret of manager.conf.",
        kind: FieldKind::Secret,
        required: false,
        default: None,
    },
    ConfigField {
        name: "app",
        label: "ARI application",
        help: "The name under which the PBX knows us. Two systems listening to one PBX need two \
               names: the second takes a name over from the first.",
        kind: FieldKind::Text,
        required: false,
        default: Some("switchhook"),
    },
    ConfigField {
        name: "verify_tls",
        label: "Check the certificate",
        help: "Say no only for a PBX with a certificate of its own making, on a network you \
               trust.",
        kind: FieldKind::Boolean,
        required: false,
        default: Some("true"),
    },
    ConfigField {
        name: "ami_host",
        label: "AMI host",
        help: "Name or address of the PBX: for AMI, and beside ARI for transfers and the like. \
               Its port speaks no TLS, so keep it on a private network.",
        kind: FieldKind::PbxHost,
        required: false,
        default: None,
    },
    ConfigField {
        name: "ami_port",
        label: "AMI port",
        help: "The port of manager.conf.",
        kind: FieldKind::Integer,
        required: false,
        default: Some("5038"),
    },
    ConfigField {
        name: "ami_username",
        label: "AMI user name",
        help: "The user of manager.conf for transfers, tones and the like, when the interface is \
               not AMI itself.",
        kind: FieldKind::Text,
        required: false,
        default: None,
    },
    ConfigField {
        name: "ami_password",
        label: "AMI password",
        help: "The secret of that user in manager.conf.",
        kind: FieldKind::Secret,
        required: false,
        default: None,
    },
    ConfigField {
        name: "dial_endpoint",
        label: "Agent's phone",
        help: "What is rung for an agent: PJSIP/{extension}, or Local/{extension}@from-internal \
               for all phones of an extension.",
        kind: FieldKind::Text,
        required: false,
        default: Some("PJSIP/{extension}"),
    },
    ConfigField {
        name: "dial_context",
        label: "Context",
        help: "The dialplan context in which agents dial; it decides whom they may reach.",
        kind: FieldKind::Text,
        required: false,
        default: Some("from-internal"),
    },
    ConfigField {
        name: "dial_format",
        label: "Numbers are dialled as",
        help: "The form the dialplan expects: e164 (+31612345678), 00 (0031612345678) or national \
               (0612345678, abroad with 00).",
        kind: FieldKind::Choice(&["e164", "00", "national"]),
        required: false,
        default: Some("e164"),
    },
    ConfigField {
        name: "phones_obey",
        label: "Phones obey NOTIFY",
        help: "Say yes when the agents' phones pick up and hold on a SIP NOTIFY (Event: talk, \
               hold), as Yealink, Snom and Polycom can.",
        kind: FieldKind::Boolean,
        required: false,
        default: Some("false"),
    },
    ConfigField {
        name: "agent_endpoints",
        label: "Agents' endpoints",
        help: "Endpoints of our own people, one a line, * and ? allowed: 2*, desk-*, SIP/ada. \
               Left empty, every name of two to six digits is an agent.",
        kind: FieldKind::List,
        required: false,
        default: None,
    },
    ConfigField {
        name: "trunk_endpoints",
        label: "Trunks",
        help: "Endpoints that lead outside even though they look like an agent's, one a line.",
        kind: FieldKind::List,
        required: false,
        default: None,
    },
    ConfigField {
        name: "voicemail_contexts",
        label: "Mailbox contexts",
        help: "Dialplan contexts that take messages with Record() instead of VoiceMail(), one a \
               line.",
        kind: FieldKind::List,
        required: false,
        default: Some("mailbox"),
    },
    ConfigField {
        name: "report_presence",
        label: "Report presence",
        help: "Whether the device states of agents' endpoints count as their presence.",
        kind: FieldKind::Boolean,
        required: false,
        default: Some("true"),
    },
];
