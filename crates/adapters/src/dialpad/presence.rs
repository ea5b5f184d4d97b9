//! Dialpad agent status ("agent_status" subscriptions, call-centre agents only). The shape of the
//! member that names the agent is not documented; every name seen for it is tried.

use std::borrow::Cow;

use switchhook_domain::media::{Presence, PresenceReport};
use switchhook_domain::signal::{Fact, Signal};
use switchhook_engine::adapter::DecodeError;

use crate::json::{Fields, label};

/// True when the payload is about an agent's availability.
pub(super) fn is_presence(root: &Fields<'_>) -> bool {
    !root.has("call_id") && (root.has("on_duty_status") || root.has("availability_status"))
}

/// The one signal of a status event; none when it does not say whose status it is.
pub(super) fn signal(root: &Fields<'_>) -> Result<Option<Signal>, DecodeError> {
    let at = root.first_time(&["date", "event_timestamp"])?;
    let at = at.ok_or_else(|| root.fault("event_timestamp", "is missing"))?;
    let mut user_id = root.first_id(&["user_id", "operator_id", "agent_id", "target_id"])?;
    let mut email = root.words("email");
    for name in ["target", "user", "operator", "agent"] {
        if let Some(fields) = root.object(name, name)? {
            user_id = fields.id("id")?.or(user_id);
            email = fields.words("email").or(email);
        }
    }
    if user_id.is_none() && email.is_none() {
        return Ok(None);
    }
    let report = PresenceReport {
        extension: None,
        user_id: user_id.map(Cow::into_owned),
        email: email.map(label),
        presence: presence(
            root.text("on_duty_status")?,
            root.text("availability_status")?,
        ),
    };
    Ok(Some(Signal {
        at,
        keys: Vec::new(),
        fact: Fact::Presence(report),
    }))
}

/// `on_duty_status` says what the agent does (`available`, `busy`, `occupied`, `occupied-end`,
/// `unavailable`, `wrapup`, `wrapup-end`); `availability_status` is `available` only when the
/// agent has no do-not-disturb and no call.
fn presence(on_duty: Option<&str>, availability: Option<&str>) -> Presence {
    match (on_duty, availability) {
        (Some("wrapup"), _) => Presence::WrapUp,
        (Some("busy" | "occupied"), _) => Presence::OnCall,
        (Some("unavailable"), Some("unavailable")) => Presence::Offline,
        (Some("unavailable"), _) | (_, Some("unavailable")) => Presence::Away,
        (Some("available" | "occupied-end" | "wrapup-end"), _) | (_, Some("available")) => {
            Presence::Available
        }
        _ => Presence::Away,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_pair_of_words() {
        for (duty, free, expected) in [
            (Some("wrapup"), Some("available"), Presence::WrapUp),
            (Some("wrapup-end"), Some("available"), Presence::Available),
            (Some("busy"), Some("unavailable"), Presence::OnCall),
            (Some("occupied"), Some("unavailable"), Presence::OnCall),
            (Some("occupied-end"), Some("available"), Presence::Available),
            (Some("available"), Some("unavailable"), Presence::Away),
            (Some("unavailable"), Some("available"), Presence::Away),
            (Some("unavailable"), Some("unavailable"), Presence::Offline),
            (None, Some("available"), Presence::Available),
            (None, None, Presence::Away),
        ] {
            assert_eq!(presence(duty, free), expected, "{duty:?} {free:?}");
        }
    }
}
