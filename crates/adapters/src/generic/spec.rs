//! What the generic webhook says about itself.

use switchhook_engine::adapter::{AdapterSpec, Capability, Transport};

const NO_COMMANDS: &str = "A script that posts events takes no orders; a mapping with \
                           [originate] or an adapter of the platform's own can.";

/// See [`AdapterSpec`].
pub(super) static SPEC: AdapterSpec = AdapterSpec {
    platform: "generic",
    title: "Generic webhook",
    summary: "Any PBX script posts nine fields: event, call_id, at, from, to, direction, \
              extension, duration_seconds and reason.",
    config: &[],
    capabilities: &[
        Capability::Ringing,
        Capability::Answered,
        Capability::Hold,
        Capability::Transfer,
        Capability::Rejected,
        Capability::Voicemail,
        Capability::Recording,
        Capability::Queue,
    ],
    lacks: &[
        (
            Capability::Messages,
            "The generic webhook is about calls only.",
        ),
        (
            Capability::Presence,
            "The generic webhook is about calls only.",
        ),
        (
            Capability::Transcript,
            "The generic webhook has no field for what was said.",
        ),
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
            "What posts its events here cannot be asked for users; map the extensions by hand.",
        ),
    ],
    transports: &[Transport::Webhook],
    // A script repeats nothing by itself; 401 is what its author understands at once.
    bad_signature_status: 401,
};
