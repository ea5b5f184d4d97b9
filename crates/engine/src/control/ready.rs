//! Whether a call is in a state for an action, and the call as an adapter needs to know it. Pure.

use switchhook_domain::call::Status;
use switchhook_domain::facts::LegFacts;
use switchhook_domain::signal::{DIAL_KEY, Direction};

use super::{Action, Found};
use crate::adapter::Capability;
use crate::command::{AgentDevice, CallHandle, CallLeg};
use crate::dial::Refusal;

/// The most tones of one request.
const MAX_DIGITS: usize = 32;

/// Why the call is in no state for an action.
pub(super) fn in_state(found: &Found, handle: &CallHandle, action: Action) -> Option<&'static str> {
    let call = &found.call;
    let own = handle.agent_leg();
    let picked_up = own.is_some_and(|leg| leg.answered);
    let talking = matches!(call.status, Status::Active | Status::Held);
    // A platform that does not report holds leaves us guessing: it may know better.
    let (adapter, context) = (&found.connection.adapter, &found.connection.context);
    let sees_holds = adapter.lacks(Capability::Hold, context).is_none();
    match action {
        Action::Hangup => None,
        Action::Answer if own.is_none() => Some("No device of an agent rings on this call."),
        Action::Answer if picked_up => Some("The agent has picked up already."),
        Action::Reject if call.direction == Some(Direction::Outbound) => {
            Some("Only a call that comes in can be declined. Hang up instead.")
        }
        Action::Reject if call.status != Status::Ringing => {
            Some("The call has been answered. Hang up instead.")
        }
        Action::Reject if own.is_none() => Some("No device of an agent rings on this call."),
        Action::Answer | Action::Reject => None,
        _ if !talking => Some("Nobody has answered yet."),
        Action::Hold if call.status == Status::Held && sees_holds => {
            Some("The call is on hold already.")
        }
        Action::Resume if call.status == Status::Active && sees_holds => {
            Some("The call is not on hold.")
        }
        Action::Hold
        | Action::Resume
        | Action::TransferBlind
        | Action::TransferAttended
        | Action::Dtmf
        | Action::Mute
        | Action::Unmute
        | Action::Park
        | Action::Recording => None,
    }
}

pub(super) fn tones(digits: &str) -> Result<String, Refusal> {
    let is_tone = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | 'A'..='D');
    let digits = digits.to_ascii_uppercase();
    if (1..=MAX_DIGITS).contains(&digits.len()) && digits.chars().all(is_tone) {
        return Ok(digits);
    }
    let problem = "must be 1 to 32 tones: 0 to 9, *, # and A to D";
    Err(Refusal::field("digits", problem))
}

/// The call as the adapter needs to know it.
pub(super) fn handle(found: &Found, agent: AgentDevice) -> CallHandle {
    let facts = &found.state.facts;
    let keys = facts.keys.iter().filter(|key| !key.starts_with(DIAL_KEY));
    let mut legs: Vec<(&String, &LegFacts)> = facts.legs.iter().collect();
    legs.sort_by_key(|(id, leg)| (leg.seen_at, *id));
    let legs = legs.into_iter().map(|(id, leg)| {
        let party = leg.party.view();
        CallLeg {
            id: id.clone(),
            kind: leg.kind,
            extension: party.extension,
            user_id: party.user_id,
            number: leg.party.number.as_ref().and_then(|n| n.value.e164.clone()),
            answered: leg.answered_at.is_some(),
            ended: leg.end().is_some(),
        }
    });
    CallHandle {
        keys: keys.cloned().collect(),
        external_call_id: found.call.external_call_id.clone(),
        legs: legs.collect(),
        agent,
    }
}
