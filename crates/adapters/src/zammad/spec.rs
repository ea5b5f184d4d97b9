//! What the Zammad adapter says about itself.

use switchhook_engine::adapter::{AdapterSpec, Capability, ConfigField, FieldKind, Transport};

/// Setting: callers to be refused.
pub(super) const BLOCKED: &str = "blocked_numbers";
/// Setting: caller ids by destination.
pub(super) const CALLER_IDS: &str = "caller_ids";
/// Setting: the caller id for every other destination.
pub(super) const DEFAULT_CALLER_ID: &str = "default_caller_id";

const NO_COMMANDS: &str = "Zammad's CTI only tells of calls; the PBX takes no orders through it.";
const NO_EVENT: &str = "Zammad's CTI has newCall, answer and hangup, and no event for this.";

/// See [`AdapterSpec`].
pub(super) static SPEC: AdapterSpec = AdapterSpec {
    platform: "zammad",
    title: "Zammad CTI",
    summary: "A PBX that supports Zammad's generic CTI posts newCall, answer and hangup.",
    config: &[
        ConfigField {
            name: BLOCKED,
            label: "Blocked callers",
            help: "Callers the PBX is told to refuse, such as 493055571600, or 4930555* for \
                   all that begin so.",
            kind: FieldKind::List,
            required: false,
            default: None,
        },
        ConfigField {
            name: CALLER_IDS,
            label: "Caller ids",
            help: "The number to show by destination, such as 4989*=498999998145; the longest \
                   beginning wins.",
            kind: FieldKind::List,
            required: false,
            default: None,
        },
        ConfigField {
            name: DEFAULT_CALLER_ID,
            label: "Default caller id",
            help: "The number to show for every other destination, such as 496990009111.",
            kind: FieldKind::Text,
            required: false,
            default: None,
        },
    ],
    capabilities: &[Capability::Ringing, Capability::Answered, Capability::Queue],
    lacks: &[
        (
            Capability::Rejected,
            "Zammad has one cause, noAnswer, for calls that were declined and calls nobody took.",
        ),
        (Capability::Hold, NO_EVENT),
        (Capability::Transfer, NO_EVENT),
        (Capability::Voicemail, NO_EVENT),
        (Capability::Recording, NO_EVENT),
        (Capability::Messages, NO_EVENT),
        (Capability::Presence, NO_EVENT),
        (Capability::Transcript, NO_EVENT),
        (Capability::Originate, NO_COMMANDS),
        (Capability::ControlAnswer, NO_COMMANDS),
        (Capability::ControlHangUp, NO_COMMANDS),
        (Capability::ControlReject, NO_COMMANDS),
        (Capability::ControlHold, NO_COMMANDS),
        (Capability::ControlTransferBlind, NO_COMMANDS),
        (Capability::ControlTransferAttended, NO_COMMANDS),
        (Capability::ControlDtmf, NO_COMMANDS),
        (Capability::ControlMute, NO_COMMANDS),
        (Capability::ControlPark, NO_COMMANDS),
        (Capability::ControlRecording, NO_COMMANDS),
        (
            Capability::ListUsers,
            "Zammad's CTI has no list of users; map the extensions by hand.",
        ),
    ],
    transports: &[Transport::Webhook],
    // Zammad answers a wrong token with 401, and PBXs know it from there.
    bad_signature_status: 401,
};
