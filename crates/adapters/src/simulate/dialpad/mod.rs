//! The posts of Dialpad for a simulated call: complete "Call events" bodies, each a JWT.
//!
//! Here: how an event is written. In `courses`: what happens in each scenario.

mod courses;

use serde_json::{Value, json};
use switchhook_engine::adapter::Secret;

use super::cast::{CallSeed, Chance, Colleague};
use super::{Scenario, Step};
use crate::dialpad::sign_jwt;

/// The call-centre and office ids of the demo account.
const CALL_CENTER: u64 = 4_700_000_000_000_011;
const OFFICE: u64 = 4_800_000_000_000_011;

/// How long after something happened Dialpad says so, in milliseconds: not scaled.
const REPORT_LAG: u64 = 50;

/// The posts of Dialpad for a call of that kind, signed with `secret`. Scenarios that Dialpad
/// cannot show are told in its way: a busy agent as a hang-up without ringing, a refusal as
/// `blocked`.
#[must_use]
pub fn dialpad(scenario: Scenario, seed: &CallSeed, secret: &str) -> Vec<Step> {
    let secret = Secret::new(secret);
    let mut script = Script::new(seed, &secret);
    match scenario {
        Scenario::Answered => script.answered(false),
        Scenario::Recording => script.answered(true),
        Scenario::Withheld => script.withheld(),
        Scenario::Missed => script.missed(),
        Scenario::Voicemail => script.voicemail(),
        Scenario::Busy => script.busy(),
        Scenario::Rejected => script.rejected(),
        Scenario::Hold => script.hold(),
        Scenario::Transfer => script.transfer(),
        Scenario::RingGroup => script.ring_group(),
        Scenario::OutboundAnswered => script.outbound(true),
        Scenario::OutboundNoAnswer => script.outbound(false),
        Scenario::Sms => script.messages(),
        Scenario::Presence => script.presence(),
    }
    script.steps.sort_by_key(|step| step.after_ms);
    script.steps
}

/// One leg, which every event tells in full. Times are milliseconds since the start.
#[derive(Clone)]
struct Leg {
    id: u64,
    target: Value,
    line: String,
    external: Value,
    direction: &'static str,
    started: u64,
    queued: Option<u64>,
    rang: Option<u64>,
    connected: Option<u64>,
    ended: Option<u64>,
    held: u64,
    /// Members that differ from the plain event.
    extra: Vec<(&'static str, Value)>,
}

struct Script<'a> {
    seed: &'a CallSeed,
    secret: &'a Secret,
    chance: Chance,
    first_id: u64,
    steps: Vec<Step>,
}

impl<'a> Script<'a> {
    fn new(seed: &'a CallSeed, secret: &'a Secret) -> Self {
        let mut chance = seed.chance(1);
        // Sixteen digits; legs of one call are numbered on from the first.
        let first_id = 5_000_000_000_000_000 + chance.within(0, 90_000_000_000_000) * 10;
        Self {
            seed,
            secret,
            chance,
            first_id,
            steps: Vec::new(),
        }
    }

    /// A span of life of that length, give or take, at the pace of the call.
    fn span(&mut self, from: u64, to: u64) -> u64 {
        let ms = self.chance.within(from, to);
        self.seed.scaled(ms)
    }

    fn leg(&self, nth: u64, who: &Colleague, started: u64) -> Leg {
        Leg {
            id: self.first_id + nth,
            target: user(who),
            line: who.number.clone(),
            external: json!(self.seed.caller.number),
            direction: "inbound",
            started,
            queued: None,
            rang: None,
            connected: None,
            ended: None,
            held: 0,
            extra: Vec::new(),
        }
    }

    /// The leg of the call centre, on which the caller waits.
    fn center(&self) -> Leg {
        let mut leg = self.leg(0, &self.seed.agent, 0);
        leg.target = center(self.seed);
        leg.line.clone_from(&self.seed.line);
        leg.queued = Some(self.seed.scaled(400));
        leg.extra
            .push(("group_id", json!(format!("CallCenter:{CALL_CENTER}"))));
        leg
    }

    /// A leg of an agent of the call centre.
    fn member(&self, nth: u64, who: &Colleague, started: u64) -> Leg {
        let mut leg = self.leg(nth, who, started);
        leg.extra = vec![
            ("entry_point_target", center(self.seed)),
            ("entry_point_call_id", json!(self.first_id)),
            ("master_call_id", json!(self.first_id)),
            ("group_id", json!(format!("CallCenter:{CALL_CENTER}"))),
        ];
        leg
    }

    fn post(&mut self, at: u64, state: &str, leg: &Leg) {
        let event = self.event(at + REPORT_LAG, state, leg);
        self.send(at + REPORT_LAG, &event);
    }

    fn send(&mut self, at: u64, event: &Value) {
        let lag = self.chance.within(20, 120);
        self.steps.push(Step {
            after_ms: at + lag,
            body: sign_jwt(event.to_string().as_bytes(), self.secret),
            content_type: "application/jwt",
            headers: Vec::new(),
        });
    }

    fn ms(&self, at: u64) -> i64 {
        self.seed.at(at).as_millisecond()
    }

    fn event(&self, at: u64, state: &str, leg: &Leg) -> Value {
        let date = |at: Option<u64>| at.map(|at| self.ms(at));
        let span = |from: Option<u64>, to: Option<u64>| match (from, to) {
            (Some(from), Some(to)) => to.saturating_sub(from),
            _ => 0,
        };
        let total = span(Some(leg.started), leg.ended.or(Some(at)));
        let talk = span(leg.connected, leg.ended);
        let mut event = nothing_known();
        let members = json!({
            "call_id": leg.id, "state": state, "event_timestamp": self.ms(at),
            "direction": leg.direction,
            "date_started": self.ms(leg.started), "date_queued": date(leg.queued),
            "date_first_rang": date(leg.rang), "date_rang": date(leg.rang),
            "date_connected": date(leg.connected), "date_ended": date(leg.ended),
            "duration": talk, "talk_time": talk.saturating_sub(leg.held), "hold_time": leg.held,
            "total_duration": total,
            "external_number": leg.external, "internal_number": leg.line,
            "contact": self.contact(), "target": leg.target,
        });
        if let (Value::Object(event), Value::Object(members)) = (&mut event, members) {
            event.extend(members);
        }
        for (name, value) in &leg.extra {
            event[*name] = value.clone();
        }
        event
    }

    fn contact(&self) -> Value {
        let caller = &self.seed.caller;
        if caller.name.is_empty() {
            return json!({});
        }
        json!({"id": format!("contact_{}", self.seed.seed), "name": caller.name, "email": "",
            "phone": caller.number, "type": "local"})
    }
}

/// The members that say nothing in most events; Dialpad sends them all the same.
fn nothing_known() -> Value {
    json!({
        "proxy_target": {}, "entry_point_target": {}, "entry_point_call_id": null,
        "operator_call_id": null, "master_call_id": null, "group_id": null,
        "is_transferred": false, "transferred_from": {}, "was_recorded": false,
        "call_recording_ids": [], "recording_details": [], "recording_url": [],
        "admin_recording_urls": [], "voicemail_link": null, "voicemail_recording_id": null,
        "transcription_text": null, "labels": [], "routing_breadcrumbs": [],
        "custom_data": null, "mos_score": null, "csat_score": null,
        "target_availability_status": "open", "callback_requested": null, "integrations": {},
    })
}

fn user(who: &Colleague) -> Value {
    json!({"id": who.user_id, "type": "user", "name": who.name, "email": who.email,
        "phone": who.number, "office_id": OFFICE})
}

fn center(seed: &CallSeed) -> Value {
    json!({"id": CALL_CENTER, "type": "callcenter", "name": seed.queue, "phone": seed.line,
        "email": "", "office_id": OFFICE})
}
