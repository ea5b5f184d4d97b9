//! Presence of an extension ("Extension Presence Event", "Account Presence Event").

use switchhook_domain::media::{Presence, PresenceReport};
use switchhook_domain::signal::{Fact, Signal};
use switchhook_engine::adapter::DecodeError;

use super::payload::path_id;
use crate::json::Fields;

/// The one signal of a presence event; none when it does not say whose presence it is.
pub(super) fn signal(
    event: &str,
    root: &Fields<'_>,
    body: &Fields<'_>,
) -> Result<Option<Signal>, DecodeError> {
    let at = root.time("timestamp")?;
    let at = at.ok_or_else(|| root.fault("timestamp", "is missing"))?;
    let named = body.id("extensionId")?;
    let Some(user) = named.as_deref().or(path_id(event, "extension")) else {
        return Ok(None);
    };
    let report = PresenceReport {
        extension: None,
        user_id: Some(user.to_owned()),
        email: None,
        presence: presence(body),
    };
    Ok(Some(Signal {
        at,
        keys: Vec::new(),
        fact: Fact::Presence(report),
    }))
}

/// A call counts first, then what the person set, then what RingCentral sums up.
pub(super) fn presence(body: &Fields<'_>) -> Presence {
    let word = |name| body.words(name).unwrap_or_default();
    let talking = ["CallConnected", "Ringing", "OnHold"];
    if talking.contains(&word("telephonyStatus")) {
        return Presence::OnCall;
    }
    if word("presenceStatus") == "Offline" || word("userStatus") == "Offline" {
        return Presence::Offline;
    }
    let busy = word("dndStatus") == "DoNotAcceptAnyCalls"
        || word("userStatus") == "Busy"
        || word("meetingStatus") == "Connected"
        || word("presenceStatus") == "Busy";
    if busy {
        Presence::Away
    } else {
        Presence::Available
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_documented_word() {
        for (body, expected) in [
            (
                json!({"telephonyStatus": "CallConnected"}),
                Presence::OnCall,
            ),
            (json!({"telephonyStatus": "Ringing"}), Presence::OnCall),
            (
                json!({"telephonyStatus": "OnHold", "presenceStatus": "Busy"}),
                Presence::OnCall,
            ),
            (
                json!({"telephonyStatus": "NoCall", "presenceStatus": "Available"}),
                Presence::Available,
            ),
            (
                json!({"telephonyStatus": "ParkedCall", "presenceStatus": "Available"}),
                Presence::Available,
            ),
            (json!({"presenceStatus": "Offline"}), Presence::Offline),
            (json!({"userStatus": "Offline"}), Presence::Offline),
            (json!({"userStatus": "Busy"}), Presence::Away),
            (json!({"dndStatus": "DoNotAcceptAnyCalls"}), Presence::Away),
            (
                json!({"dndStatus": "TakeDepartmentCallsOnly"}),
                Presence::Available,
            ),
            (json!({"meetingStatus": "Connected"}), Presence::Away),
        ] {
            let body = body.as_object().unwrap();
            assert_eq!(presence(&Fields::root(body)), expected, "{body:?}");
        }
    }
}
