//! A request to place a call, and every way in which it is turned away before the platform hears
//! of it.

use std::time::Duration;

use serde_json::{Value, json};
use switchhook_domain::id::{AgentId, ConnectionId};

use super::policy::Reason;
use crate::command::AgentDevice;
use crate::seal;
use crate::store::StoreError;

/// The longest extension, in characters.
const MAX_EXTENSION: usize = 64;
/// The longest user or device id, in characters.
const MAX_USER_ID: usize = 128;
/// The longest idempotency key, in characters.
pub const MAX_IDEMPOTENCY_KEY: usize = 255;

/// A call somebody asks us to place.
#[derive(Clone, Debug)]
pub struct DialRequest {
    /// The connection to use; may be left out when the app has only one that places calls.
    pub connection: Option<ConnectionId>,
    /// Who calls: the device that rings first.
    pub agent: AgentDevice,
    /// The agent who acts for themselves: only their own device may ring. `None` for those who
    /// may let any ring.
    pub own: Option<AgentId>,
    /// True for a click on a number, which the app's settings may switch off. What agents ask for
    /// themselves counts as one.
    pub click: bool,
    /// Who is called, as typed.
    pub target: String,
    /// The number to show, as typed; `None` for the app's own choice.
    pub caller_id: Option<String>,
    /// What the client named the request: the same name again is the same call.
    pub idempotency_key: Option<String>,
    /// Who asks: a key's id or a session, for the audit.
    pub requested_by: String,
}

impl DialRequest {
    /// SHA-256 of everything that makes it another request.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut said = vec![
            json!(self.connection),
            json!(self.agent.extension),
            json!(self.agent.user_id),
            json!(self.agent.device_id),
            json!(self.target),
            json!(self.caller_id),
        ];
        said.extend(self.own.map(|agent| json!(agent)));
        let said = Value::Array(said);
        seal::digest(said.to_string().as_bytes())
    }

    /// True when the switch for click-to-dial is about it.
    pub(super) fn is_click(&self) -> bool {
        self.click || self.own.is_some()
    }

    pub(super) fn check(&self) -> Result<(), Refusal> {
        check_agent(&self.agent)?;
        let nobody = self.agent.extension.is_none() && self.agent.user_id.is_none();
        if nobody && self.own.is_none() {
            return Err(Refusal::field(
                "agent",
                "must name the extension or the user_id of the one who calls",
            ));
        }
        let visible = |key: &String| key.bytes().all(|b| b.is_ascii_graphic());
        let fits = |key: &String| (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) && visible(key);
        if !self.idempotency_key.as_ref().is_none_or(fits) {
            let problem = "must be 1 to 255 visible ASCII characters";
            return Err(Refusal::field("Idempotency-Key", problem));
        }
        Ok(())
    }
}

/// An agent's names end up in a platform's request: nothing but what such names are made of.
///
/// # Errors
/// [`Refusal::Field`].
pub(crate) fn check_agent(agent: &AgentDevice) -> Result<(), Refusal> {
    let plain = |text: &str, more: &str, most: usize| {
        let good = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        (1..=most).contains(&text.len()) && text.chars().all(good)
    };
    let members = [
        ("agent.extension", &agent.extension, "._-", MAX_EXTENSION),
        ("agent.user_id", &agent.user_id, "._-@+:", MAX_USER_ID),
        ("agent.device_id", &agent.device_id, "._-@+:", MAX_USER_ID),
    ];
    for (field, text, more, most) in members {
        if text.as_ref().is_some_and(|text| !plain(text, more, most)) {
            let problem = format!("must be 1 to {most} letters, digits or any of {more}");
            return Err(Refusal::field(field, problem));
        }
    }
    Ok(())
}

/// Why a call is not placed. The platform has heard nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A member of the request is not as it must be.
    #[error("`{field}` {problem}")]
    Field {
        /// The member.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The app may not dial this number, or not show that one.
    #[error("refused: {}", .reason.as_str())]
    Refused {
        /// The member.
        field: &'static str,
        /// Why.
        reason: Reason,
    },
    /// The agent acts for themselves, and this is not their device or not their call.
    #[error("not the agent's own")]
    NotOwn,
    /// The agent has placed as many calls as the app allows.
    #[error("too many calls by one agent")]
    TooMany {
        /// How many a minute are allowed.
        limit: u32,
        /// When there is room for the next.
        wait: Duration,
    },
    /// The agent is on a call, or still busy with the last one.
    #[error("the agent is busy")]
    Busy,
    /// The platform, or this connection, cannot do it; one sentence.
    #[error("not supported: {0}")]
    NotSupported(String),
    /// The live link of the connection is down; one sentence.
    #[error("the connection is down: {0}")]
    Down(String),
    /// A secret of the connection does not open.
    #[error("the connection is not usable")]
    Unusable,
    /// The same idempotency key came with another request.
    #[error("the idempotency key belongs to another request")]
    KeyConflict,
    /// A fault of ours.
    #[error("placing the call broke off")]
    Broken,
    /// The database is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    pub(crate) fn field(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Field {
            field,
            problem: problem.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(agent: AgentDevice, key: Option<&str>) -> DialRequest {
        DialRequest {
            connection: None,
            agent,
            own: None,
            click: false,
            target: "0612345678".to_owned(),
            caller_id: None,
            idempotency_key: key.map(str::to_owned),
            requested_by: "test".to_owned(),
        }
    }

    fn extension(text: &str) -> AgentDevice {
        AgentDevice {
            extension: Some(text.to_owned()),
            ..AgentDevice::default()
        }
    }

    #[test]
    fn an_agents_names_carry_nothing_into_a_request() {
        for good in ["100", "jan.de-vries_2", "SIP100"] {
            assert_eq!(request(extension(good), None).check(), Ok(()), "{good}");
        }
        for bad in [
            "",
            "100&200",
            "100@x",
            "100/x",
            "1 2",
            "1\n2",
            "é",
            &"1".repeat(65),
        ] {
            assert!(request(extension(bad), None).check().is_err(), "{bad:?}");
        }
        let nobody = request(AgentDevice::default(), None).check();
        assert!(matches!(nobody, Err(Refusal::Field { field: "agent", .. })));
    }

    #[test]
    fn an_idempotency_key_is_visible_ascii() {
        for good in ["a", "6d1c-7", &"k".repeat(255)] {
            assert_eq!(request(extension("100"), Some(good)).check(), Ok(()));
        }
        for bad in ["", "a b", "é", "a\u{7f}", &"k".repeat(256)] {
            assert!(request(extension("100"), Some(bad)).check().is_err());
        }
    }

    #[test]
    fn everything_that_matters_makes_another_request() {
        let one = request(extension("100"), Some("a"));
        let same = DialRequest {
            requested_by: "another session".to_owned(),
            ..one.clone()
        };
        assert_eq!(one.digest(), same.digest());
        let mut others = vec![one.clone(); 5];
        others[4].own = Some(AgentId(uuid::Uuid::nil()));
        others[0].target = "0612345679".to_owned();
        others[1].caller_id = Some("0201234567".to_owned());
        others[2].agent.user_id = others[2].agent.extension.take();
        others[3].connection = Some(ConnectionId(uuid::Uuid::nil()));
        for other in others {
            assert_ne!(one.digest(), other.digest());
        }
    }
}
