//! Whose party it is: which of `from` and `to` is its own side, whether it began the call, and
//! whether a person is on it.

use switchhook_domain::signal::LegKind;

use super::payload::{Party, Session, Side};

/// Which end of the call a party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It began the call, or the call was begun for it.
    Caller,
    /// It is being called.
    Callee,
}

/// What a party is in its call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Role {
    pub(super) kind: LegKind,
    pub(super) part: Part,
    /// True when RingCentral rang the caller first, as in a RingOut.
    pub(super) is_called_back: bool,
    /// Which of its sides is its own: both parties of a RingOut are `Inbound`, since both are
    /// called, and name themselves in `to`.
    own_is_to: bool,
}

impl Role {
    pub(super) fn of(session: &Session<'_>, party: &Party<'_>, routing: &[&str]) -> Self {
        let called_first = matches!(session.origin, "RingOut" | "RingMe");
        let part = match (called_first, party.is_target) {
            _ if party.outbound => Part::Caller,
            (true, Some(true)) => Part::Callee,
            (true, Some(false)) => Part::Caller,
            // Without the role: the first party is the one who asked for the call.
            (true, None) if party.id.ends_with("-1") => Part::Caller,
            _ => Part::Callee,
        };
        let is_called_back = part == Part::Caller && (called_first || session.origin == "CallOut");
        Self {
            kind: kind(party, part, routing),
            part,
            is_called_back,
            own_is_to: !party.outbound,
        }
    }

    /// The side that names the party itself.
    pub(super) fn own_side<'p, 'a>(&self, party: &'p Party<'a>) -> &'p Side<'a> {
        if self.own_is_to {
            &party.to
        } else {
            &party.from
        }
    }

    /// The side that names whom it talks to.
    pub(super) fn other_side<'p, 'a>(&self, party: &'p Party<'a>) -> &'p Side<'a> {
        if self.own_is_to {
            &party.from
        } else {
            &party.to
        }
    }

    /// True when `Proceeding` of this party means that its own telephone rings. A caller's own
    /// `Proceeding` is about the other side.
    pub(super) fn rings(&self) -> bool {
        self.part == Part::Callee || self.is_called_back
    }
}

/// A party without an extension is outside. One with an extension may be a person's, a menu's,
/// a queue's or a mailbox's, and RingCentral does not say which; menus and queues never ring,
/// hold or hand over, so whoever does is a person.
fn kind(party: &Party<'_>, part: Part, routing: &[&str]) -> LegKind {
    let Some(extension) = party.extension_id.as_deref() else {
        return LegKind::External;
    };
    if routing.contains(&extension) {
        return LegKind::Routing;
    }
    let rung_for_queue =
        party.to.extension_id.as_deref() != Some(extension) && party.to.extension_id.is_some();
    let acts = matches!(
        party.code.as_str(),
        "proceeding" | "answered" | "hold" | "parked" | "voicemailscreening" | "vmscreening"
    );
    let told = matches!(
        party.reason.as_deref(),
        Some(
            "rejected"
                | "targetbusy"
                | "blindtransfer"
                | "rcctransfer"
                | "attendedtransfer"
                | "dtmftransfer"
                | "callflip"
                | "callswitch"
                | "callpark"
                | "callreplied"
        )
    );
    let has_device = party.has_pickup_data || party.to.has_device;
    let person =
        part == Part::Caller || rung_for_queue || acts || told || party.missed || has_device;
    if person {
        LegKind::Agent
    } else {
        LegKind::Routing
    }
}
