//! Zammad's generic CTI: what a PBX that supports Zammad posts ("Generic CTI", docs.zammad.org:
//! `newCall`, `answer`, `hangup`; JSON or a form), and the decision it expects to `newCall`. None
//! of its events carries a time; they are dated when they arrive. In `decide`: blocked callers
//! and caller ids. Not here: what an event means for a call (`flat`).

mod decide;
mod spec;

use std::borrow::Cow;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use switchhook_domain::cause::{Cause, Reason};
use switchhook_domain::phone::{NumberKind, NumberPlan, PhoneNumber};
use switchhook_domain::signal::{Direction, Party, UNDATED};
use switchhook_engine::adapter::{
    Adapter, AdapterSpec, ConnectionContext, DecodeError, Decoded, Inbound, Rejection, Reply,
};

use crate::flat::{self, Event, Word, auth, form};
use crate::json::{Fields, label};

/// The most users of a group call that are told of.
const MAX_USERS: usize = 20;

/// Zammad's generic CTI.
#[derive(Clone, Copy, Debug, Default)]
pub struct Zammad;

#[async_trait]
impl Adapter for Zammad {
    fn spec(&self) -> &'static AdapterSpec {
        &spec::SPEC
    }

    fn check_config(&self, connection: &ConnectionContext) -> Result<(), DecodeError> {
        decide::check(connection)
    }

    /// Zammad's own proof is a token in the address and no signature: here it is the secret.
    fn verify<'a>(
        &self,
        inbound: &Inbound<'a>,
        connection: &ConnectionContext,
    ) -> Result<Cow<'a, [u8]>, Rejection> {
        auth::must_have_secret(&connection.webhook_secrets)?;
        let given = inbound.query("secret").or_else(|| inbound.query("token"));
        let given = given.or_else(|| auth::bearer(inbound)).map(str::to_owned);
        let given = given.or_else(|| auth::basic_password(inbound));
        match given {
            None => Err(Rejection::Unsigned(
                "put ?secret=… behind the webhook address at the PBX",
            )),
            Some(given) if auth::secret_fits(&connection.webhook_secrets, &given) => {
                Ok(Cow::Borrowed(inbound.body))
            }
            Some(_) => Err(Rejection::BadSignature),
        }
    }

    fn decode(
        &self,
        payload: &[u8],
        connection: &ConnectionContext,
    ) -> Result<Decoded, DecodeError> {
        let map = form::object(payload)?;
        let notice = Notice::read(&map, &connection.numbers)?;
        let blocked = notice.direction == Some(Direction::Inbound)
            && notice.event == "newCall"
            && decide::is_blocked(notice.from.as_ref(), connection);
        let events = notice.events(blocked);
        Ok(Decoded {
            signals: events.iter().flat_map(flat::signals).collect(),
            event: label(notice.event).chars().take(64).collect(),
            adoption: None,
        })
    }

    fn split<'a>(&self, recorded: &'a [u8]) -> Vec<&'a [u8]> {
        form::split(recorded)
    }

    fn reply(
        &self,
        payload: &[u8],
        _decoded: &Decoded,
        connection: &ConnectionContext,
    ) -> Option<Reply> {
        let map = form::object(payload).ok()?;
        let notice = Notice::read(&map, &connection.numbers).ok()?;
        let decision = match notice.event {
            "newCall" => decide::decide(&notice, connection),
            _ => json!({}),
        };
        Some(Reply {
            status: 200,
            headers: Vec::new(),
            content_type: "application/json",
            body: decision.to_string().into_bytes(),
        })
    }
}

/// The fields of an event.
struct Notice<'a> {
    event: &'a str,
    call_id: String,
    direction: Option<Direction>,
    from: Option<PhoneNumber>,
    to: Option<PhoneNumber>,
    users: Vec<String>,
    queue: Option<String>,
    cause: Option<Reason>,
    answering: Party,
}

impl<'a> Notice<'a> {
    fn read(map: &'a Map<String, Value>, plan: &NumberPlan) -> Result<Self, DecodeError> {
        let root = Fields::root(map);
        let event = root.text("event")?;
        let event = event.ok_or_else(|| root.fault("event", "is missing"))?;
        let call_id = root.id("callId")?;
        let call_id = call_id.ok_or_else(|| root.fault("callId", "is missing"))?;
        let direction = match root.text("direction")? {
            None => None,
            Some(text) => {
                let problem = || root.fault("direction", "must be in or out");
                Some(flat::direction(text).ok_or_else(problem)?)
            }
        };
        let number = |name| -> Result<Option<PhoneNumber>, DecodeError> {
            let raw = root.number(name)?;
            Ok(raw.map(|raw| PhoneNumber::parse(&raw, plan)))
        };
        let answering = root.number("answeringNumber")?;
        let users = root.list("user").iter().filter_map(Value::as_str);
        let users = users
            .map(|name| label(name.trim()))
            .filter(|name| !name.is_empty());
        Ok(Self {
            event,
            call_id: call_id.into_owned(),
            direction,
            from: number("from")?,
            to: number("to")?,
            users: users.take(MAX_USERS).collect(),
            queue: root.words("queue").map(label),
            cause: root.words("cause").and_then(reason),
            answering: answering
                .map(|raw| answering_party(&raw, plan))
                .unwrap_or_default(),
        })
    }

    /// What it says; a call to a group rings at each of its users.
    fn events(&self, blocked: bool) -> Vec<Event> {
        let word = match self.event {
            "newCall" if blocked => Word::Rejected,
            "newCall" => Word::Ringing,
            "answer" => Word::Answered,
            "hangup" => Word::Ended,
            _ => return Vec::new(),
        };
        let mut event = Event::new(word, UNDATED, self.call_id.clone());
        event.direction = self.direction;
        event.from = flat::withheld_when_empty(self.from.clone(), self.direction);
        event.to.clone_from(&self.to);
        event.queue.clone_from(&self.queue);
        event.agent = self.answering.clone();
        event.cause = self.cause.map(Cause::reason).unwrap_or_default();
        if blocked {
            event.cause = Cause::reason(Reason::Blocked);
        }
        // "One of the parties hung up after the call was established."
        let established = self.cause == Some(Reason::Normal);
        event.times.answered = (word == Word::Ended && established).then_some(UNDATED);
        match self.users.as_slice() {
            many @ [_, _, ..] if word == Word::Ringing || word == Word::Ended && !established => {
                many.iter().map(|name| of_user(&event, name)).collect()
            }
            [name] if word != Word::Rejected => vec![of_user(&event, name)],
            _ => vec![event],
        }
    }
}

/// The event as it concerns one user, whose name is the same in all events of a call.
fn of_user(event: &Event, name: &str) -> Event {
    let mut event = event.clone();
    event.leg = Some(name.to_owned());
    event.agent.name = Some(name.to_owned());
    event
}

/// Zammad looks a number up among the users' phones, then their logins, then their ids.
fn answering_party(raw: &str, plan: &NumberPlan) -> Party {
    let number = PhoneNumber::parse(raw, plan);
    let text = label(raw);
    let mut party = Party::default();
    match number.kind {
        NumberKind::Public => party.number = Some(number),
        _ if raw.contains('@') => party.email = Some(text),
        _ if raw.bytes().all(|byte| byte.is_ascii_digit()) => party.extension = Some(text),
        _ => party.user_id = Some(text),
    }
    party
}

/// "Call Hangup", attribute `cause`.
fn reason(cause: &str) -> Option<Reason> {
    Some(match cause {
        "normalClearing" => Reason::Normal,
        "busy" => Reason::Busy,
        "cancel" => Reason::Cancelled,
        "noAnswer" => Reason::NoAnswer,
        "congestion" => Reason::Congestion,
        "notFound" => Reason::Unreachable,
        "forwarded" => Reason::Transferred,
        _ => return None,
    })
}
