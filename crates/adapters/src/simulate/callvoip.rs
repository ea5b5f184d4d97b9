//! The posts of a relay that speaks for CallVoip, for a simulated call: our neutral dialect with
//! the field names of the platform's own webhook, each signed in `X-Pipelinq-Signature`.

use serde_json::{Value, json};
use switchhook_engine::adapter::Secret;

use super::cast::{CallSeed, Chance, Colleague};
use super::{Scenario, Step};
use crate::callvoip::sign;

/// How long after something happened the relay says so, in milliseconds: not scaled.
const REPORT_LAG: u64 = 50;

/// The posts for a call of that kind, signed with `secret`. None for text messages: no event
/// tells of them.
#[must_use]
pub fn callvoip(scenario: Scenario, seed: &CallSeed, secret: &str) -> Vec<Step> {
    let mut chance = seed.chance(5);
    let (high, low) = (chance.next() >> 32, chance.next() >> 16);
    let outbound = matches!(
        scenario,
        Scenario::OutboundAnswered | Scenario::OutboundNoAnswer
    );
    let mut script = Script {
        seed,
        secret: Secret::new(secret),
        id: format!("{high:08x}-718d-11ed-88ee-{low:012x}"),
        outbound,
        withheld: scenario == Scenario::Withheld,
        queue: (scenario == Scenario::RingGroup).then(|| seed.queue.clone()),
        chance,
        steps: Vec::new(),
    };
    match scenario {
        Scenario::Answered | Scenario::OutboundAnswered | Scenario::Withheld => {
            script.answered();
        }
        Scenario::Recording => script.recorded(),
        Scenario::Missed => script.unanswered("missed", "19"),
        Scenario::Rejected => script.unanswered("rejected", "21"),
        Scenario::OutboundNoAnswer => script.unanswered("hangup", "19"),
        Scenario::Busy => script.busy(),
        Scenario::Voicemail => script.voicemail(),
        Scenario::Hold => script.hold(),
        Scenario::Transfer => script.transfer(),
        Scenario::RingGroup => script.ring_group(),
        Scenario::Presence => script.presence(),
        Scenario::Sms => {}
    }
    script.steps.sort_by_key(|step| step.after_ms);
    script.steps
}

struct Script<'a> {
    seed: &'a CallSeed,
    secret: Secret,
    /// The call's uuid.
    id: String,
    outbound: bool,
    withheld: bool,
    queue: Option<String>,
    chance: Chance,
    steps: Vec<Step>,
}

impl Script<'_> {
    /// A span of life of that length, give or take, at the pace of the call.
    fn span(&mut self, from: u64, to: u64) -> u64 {
        let ms = self.chance.within(from, to);
        self.seed.scaled(ms)
    }

    fn send(&mut self, at: u64, body: &Value) {
        let body = body.to_string().into_bytes();
        let signature = sign(&body, &self.secret);
        self.steps.push(Step {
            after_ms: at + REPORT_LAG + self.chance.within(10, 60),
            headers: vec![("x-pipelinq-signature".to_owned(), signature)],
            body,
            content_type: "application/json",
        });
    }

    /// One event about this colleague's part; `more` are its further members.
    fn event(&mut self, at: u64, event: &str, who: &Colleague, more: Value) {
        let seed = self.seed;
        let ms = |at: u64| seed.at(at).as_millisecond().to_string();
        let plain = |number: &str| number.trim_start_matches('+').to_owned();
        let outside = if self.withheld {
            String::new()
        } else {
            plain(&seed.caller.number)
        };
        let (from, to, direction) = if self.outbound {
            (plain(&seed.line), outside, "outbound")
        } else {
            (outside, plain(&seed.line), "inbound")
        };
        let mut body = json!({
            "event": event, "uuid": self.id, "com_id": "42f3a1b2c3d4e5f60718293a4b5c6d7e",
            "direction": direction, "caller_number": from, "callee_number": to,
            "caller_name": if self.withheld { "" } else { &seed.caller.name },
            "extension": who.extension, "user": format!("1{}.acme", who.extension),
            "event_time": ms(at), "call_start_time": ms(0),
        });
        if let Some(queue) = &self.queue {
            body["queue"] = json!(queue);
        }
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        self.send(at, &body);
    }

    fn hang_up(&mut self, at: u64, who: &Colleague, answered: Option<u64>, cause: &str) {
        let talk = answered.map_or(0, |answered| at.saturating_sub(answered));
        let seconds = format!("{}.{:03}", talk / 1000, talk % 1000);
        let more = json!({ "cause": cause, "duration": seconds });
        self.event(at, "hangup", who, more);
    }

    /// Rings and is answered; when.
    fn picked_up(&mut self, who: &Colleague, began: u64) -> u64 {
        let rang = began + self.span(600, 1_200);
        self.event(rang, "ringing", who, json!({}));
        let answered = rang + self.span(2_500, 9_000);
        self.event(answered, "answered", who, json!({}));
        answered
    }

    fn answered(&mut self) {
        let agent = self.seed.agent.clone();
        let answered = self.picked_up(&agent, 0);
        let ended = answered + self.span(20_000, 180_000);
        self.hang_up(ended, &agent, Some(answered), "16");
    }

    fn recorded(&mut self) {
        let agent = self.seed.agent.clone();
        let answered = self.picked_up(&agent, 0);
        let ended = answered + self.span(20_000, 120_000);
        self.hang_up(ended, &agent, Some(answered), "16");
        let ready = ended + self.span(30_000, 60_000);
        let url = format!("https://recordings.callvoip.example/{}.mp3", self.id);
        self.event(ready, "recording", &agent, json!({ "recording_url": url }));
    }

    fn unanswered(&mut self, event: &str, cause: &str) {
        let agent = self.seed.agent.clone();
        let rang = self.span(600, 1_200);
        self.event(rang, "ringing", &agent, json!({}));
        let stopped = rang + self.span(8_000, 25_000);
        let more = json!({ "cause": cause, "duration": "0" });
        self.event(stopped, event, &agent, more);
    }

    fn busy(&mut self) {
        let agent = self.seed.agent.clone();
        let ended = self.span(1_000, 2_000);
        self.hang_up(ended, &agent, None, "17");
    }

    fn voicemail(&mut self) {
        let agent = self.seed.agent.clone();
        let rang = self.span(600, 1_200);
        self.event(rang, "ringing", &agent, json!({}));
        let left = rang + self.span(30_000, 45_000);
        let url = format!("https://recordings.callvoip.example/vm/{}.mp3", self.id);
        self.event(
            left,
            "voicemail",
            &agent,
            json!({ "voicemail_url": url, "duration": "12" }),
        );
        self.hang_up(left + 200, &agent, None, "16");
    }

    fn hold(&mut self) {
        let agent = self.seed.agent.clone();
        let answered = self.picked_up(&agent, 0);
        let held = answered + self.span(15_000, 40_000);
        self.event(held, "hold", &agent, json!({}));
        let resumed = held + self.span(10_000, 30_000);
        self.event(resumed, "resume", &agent, json!({}));
        let ended = resumed + self.span(15_000, 60_000);
        self.hang_up(ended, &agent, Some(answered), "16");
    }

    fn transfer(&mut self) {
        let (agent, colleague) = (self.seed.agent.clone(), self.seed.colleague.clone());
        let answered = self.picked_up(&agent, 0);
        let handed = answered + self.span(15_000, 60_000);
        let more = json!({ "transfer_to": colleague.extension, "transfer_type": "blind" });
        self.event(handed, "transferred", &agent, more);
        let taken = self.picked_up(&colleague, handed);
        let ended = taken + self.span(20_000, 90_000);
        self.hang_up(ended, &colleague, Some(taken), "16");
    }

    fn ring_group(&mut self) {
        let (agent, colleague) = (self.seed.agent.clone(), self.seed.colleague.clone());
        let rang = self.span(600, 1_200);
        self.event(rang, "ringing", &agent, json!({}));
        self.event(rang, "ringing", &colleague, json!({}));
        let answered = rang + self.span(2_500, 9_000);
        self.event(answered, "answered", &colleague, json!({}));
        self.hang_up(answered + 100, &agent, None, "26");
        let ended = answered + self.span(20_000, 120_000);
        self.hang_up(ended, &colleague, Some(answered), "16");
    }

    fn presence(&mut self) {
        let agent = self.seed.agent.clone();
        for (after, state) in [
            (0, "available"),
            (20_000, "on-call"),
            (90_000, "wrap-up"),
            (120_000, "available"),
        ] {
            let at = self.seed.scaled(after);
            let body = json!({
                "event": "presence", "extension": agent.extension, "presence": state,
                "user": format!("1{}.acme", agent.extension),
                "event_time": self.seed.at(at).as_millisecond().to_string(),
            });
            self.send(at, &body);
        }
    }
}
