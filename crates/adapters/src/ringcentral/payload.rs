//! RingCentral's field names: the envelope of a notification and the parties of a telephony
//! session ("Telephony Session Notifications"). Names and spelling only; what they mean is said
//! in [`super::decode`].

use std::borrow::Cow;

use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_engine::adapter::DecodeError;

use crate::json::Fields;

/// What a notification is about, by the filter path in `event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// A party of a telephony session changed.
    Session,
    /// A voicemail arrived.
    Voicemail,
    /// A text message, with its text.
    Message,
    /// Somebody's presence changed.
    Presence,
    /// The subscription runs out soon.
    Reminder,
    /// Anything else we may be subscribed to.
    Other,
}

/// Reads the topic off an event path such as
/// `/restapi/v1.0/account/1/extension/2/telephony/sessions`.
pub(super) fn topic(event: &str) -> Topic {
    let path = event.split('?').next().unwrap_or(event);
    if path.ends_with("/telephony/sessions") {
        Topic::Session
    } else if path.ends_with("/voicemail") {
        Topic::Voicemail
    } else if path.ends_with("/message-store/instant") {
        Topic::Message
    } else if path.ends_with("/presence") {
        Topic::Presence
    } else if path.contains("/v1.0/subscription") {
        Topic::Reminder
    } else {
        Topic::Other
    }
}

/// The id after `name` in an event path, if it is one: `~` stands for "the token's own".
pub(super) fn path_id<'a>(event: &'a str, name: &str) -> Option<&'a str> {
    let path = event.split('?').next().unwrap_or(event);
    let mut parts = path.split('/');
    parts.find(|part| *part == name)?;
    let id = parts.next()?;
    (!id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())).then_some(id)
}

/// `from` or `to` of a party.
#[derive(Clone, Debug, Default)]
pub(super) struct Side<'a> {
    pub(super) number: Option<Cow<'a, str>>,
    pub(super) name: Option<&'a str>,
    pub(super) extension_id: Option<Cow<'a, str>>,
    pub(super) has_device: bool,
}

/// The other end of a party that is `Gone`: where the conversation went on.
#[derive(Clone, Debug)]
pub(super) struct Peer<'a> {
    pub(super) session: Option<Cow<'a, str>>,
    pub(super) party: Option<Cow<'a, str>>,
}

/// One party of a session.
#[derive(Clone, Debug)]
pub(super) struct Party<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) extension_id: Option<Cow<'a, str>>,
    pub(super) outbound: bool,
    pub(super) from: Side<'a>,
    pub(super) to: Side<'a>,
    /// Lower case: the guides and the specification differ in the case of some.
    pub(super) code: String,
    /// Lower case, as above.
    pub(super) reason: Option<String>,
    pub(super) missed: bool,
    pub(super) queue_call: bool,
    /// Name of the queue and of the caller as RingCentral's own apps show them.
    pub(super) queue_name: Option<&'a str>,
    pub(super) caller_name: Option<&'a str>,
    pub(super) peer: Option<Peer<'a>>,
    pub(super) recordings: Vec<Cow<'a, str>>,
    /// True when a device is being rung for it.
    pub(super) has_pickup_data: bool,
    /// `Target` of a RingOut; the other one is the initiator.
    pub(super) is_target: Option<bool>,
}

/// A change of a session.
#[derive(Clone, Debug)]
pub(super) struct Session<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) at: Timestamp,
    /// `Call`, `RingOut`, `CallOut`, …
    pub(super) origin: &'a str,
    pub(super) parties: Vec<Party<'a>>,
}

impl<'a> Session<'a> {
    /// Reads a notification of a session. `root` is the envelope, `body` what is in it.
    pub(super) fn read(root: &Fields<'a>, body: &Fields<'a>) -> Result<Self, DecodeError> {
        let id = session_id(body)?.ok_or_else(|| body.fault("telephonySessionId", "is missing"))?;
        let at = match body.time("eventTime")? {
            Some(at) => Some(at),
            None => root.time("timestamp")?,
        };
        let at = at.ok_or_else(|| body.fault("eventTime", "is missing"))?;
        let origin = body.object("origin", "body.origin")?;
        let mut parties = Vec::new();
        for item in body.list("parties") {
            let Value::Object(map) = item else {
                return Err(body.fault("parties", "must be a list of objects"));
            };
            parties.push(Party::read(&Fields::at(map, "body.parties[]"))?);
        }
        Ok(Self {
            id,
            at,
            origin: origin.and_then(|o| o.words("type")).unwrap_or("Call"),
            parties,
        })
    }
}

/// The name of the conversation: `s-…`, else the legacy id, which the call log has too.
pub(super) fn session_id<'a>(body: &Fields<'a>) -> Result<Option<Cow<'a, str>>, DecodeError> {
    match body.id("telephonySessionId")? {
        Some(id) => Ok(Some(id)),
        None => body.id("sessionId"),
    }
}

impl<'a> Party<'a> {
    fn read(party: &Fields<'a>) -> Result<Self, DecodeError> {
        let status = party.object("status", "body.parties[].status")?;
        let status = status.ok_or_else(|| party.fault("status", "is missing"))?;
        let code = status.text("code")?;
        let code = code.ok_or_else(|| status.fault("code", "is missing"))?;
        let direction = party.text("direction")?;
        let direction = direction.ok_or_else(|| party.fault("direction", "is missing"))?;
        let id = party.id("id")?;
        let mut recordings = Vec::new();
        for item in party.list("recordings") {
            if let Value::Object(map) = item {
                recordings.extend(Fields::at(map, "body.parties[].recordings[]").id("id")?);
            }
        }
        let ui = party.object("uiCallInfo", "body.parties[].uiCallInfo")?;
        Ok(Self {
            id: id.ok_or_else(|| party.fault("id", "is missing"))?,
            extension_id: party.id("extensionId")?,
            outbound: direction.eq_ignore_ascii_case("outbound"),
            from: Side::read(party, "from", "body.parties[].from")?,
            to: Side::read(party, "to", "body.parties[].to")?,
            code: code.to_ascii_lowercase(),
            reason: status.words("reason").map(str::to_ascii_lowercase),
            missed: party.flag("missedCall")?,
            queue_call: party.flag("queueCall")?,
            queue_name: shown(ui.as_ref(), "QueueName"),
            caller_name: shown(ui.as_ref(), "CallerIdName"),
            peer: Peer::read(&status)?,
            recordings,
            has_pickup_data: status.get("mobilePickupData").is_some(),
            is_target: party
                .words("ringOutRole")
                .map(|role| role.eq_ignore_ascii_case("target")),
        })
    }
}

impl<'a> Side<'a> {
    fn read(
        party: &Fields<'a>,
        name: &'static str,
        path: &'static str,
    ) -> Result<Self, DecodeError> {
        let Some(side) = party.object(name, path)? else {
            return Ok(Self::default());
        };
        Ok(Self {
            number: side.number("phoneNumber")?,
            name: side.words("name"),
            extension_id: side.id("extensionId")?,
            has_device: side.get("deviceId").is_some(),
        })
    }
}

impl<'a> Peer<'a> {
    fn read(status: &Fields<'a>) -> Result<Option<Self>, DecodeError> {
        let Some(peer) = status.object("peerId", "body.parties[].status.peerId")? else {
            return Ok(None);
        };
        // RingCentral's SDK carries the `s-…` id in `sessionId`; the specification has both.
        let legacy = peer.id("sessionId")?.filter(|id| id.starts_with("s-"));
        Ok(Some(Self {
            session: peer.id("telephonySessionId")?.or(legacy),
            party: peer.id("partyId")?,
        }))
    }
}

/// What RingCentral's own apps show of that type, as first or second line.
fn shown<'a>(ui: Option<&Fields<'a>>, wanted: &str) -> Option<&'a str> {
    let line = |name, path| {
        let line = ui?.object(name, path).ok().flatten()?;
        (line.words("type")? == wanted).then(|| line.words("value"))?
    };
    line("primary", "body.parties[].uiCallInfo.primary")
        .or_else(|| line("additional", "body.parties[].uiCallInfo.additional"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_what_it_is_about() {
        let account = "/restapi/v1.0/account/400100100";
        for (rest, expected) in [
            ("/telephony/sessions", Topic::Session),
            (
                "/extension/1/telephony/sessions?sipData=true",
                Topic::Session,
            ),
            ("/extension/1/voicemail", Topic::Voicemail),
            (
                "/extension/1/message-store/instant?type=SMS",
                Topic::Message,
            ),
            ("/extension/1/message-store", Topic::Other),
            ("/presence", Topic::Presence),
            (
                "/extension/1/presence?detailedTelephonyState=true",
                Topic::Presence,
            ),
            ("/directory/entries", Topic::Other),
        ] {
            assert_eq!(topic(&format!("{account}{rest}")), expected, "{rest}");
        }
        let reminder = "/restapi/v1.0/subscription/~?threshold=86400&interval=3600";
        assert_eq!(topic(reminder), Topic::Reminder);
    }

    #[test]
    fn ids_are_read_from_the_path() {
        let event = "/restapi/v1.0/account/7/extension/~/presence";
        assert_eq!(path_id(event, "account"), Some("7"));
        assert_eq!(path_id(event, "extension"), None);
        assert_eq!(path_id(event, "queue"), None);
    }
}
