//! The posts of Wildix for a simulated call: events of the second generation (docs.wildix.com),
//! each signed in `x-signature`.

use serde_json::{Value, json};
use switchhook_engine::adapter::Secret;

use super::cast::{CallSeed, Chance, Colleague};
use super::{Scenario, Step};
use crate::wildix::sign;

/// How long after something happened Wildix says so, in milliseconds: not scaled.
const REPORT_LAG: u64 = 60;

/// The posts of Wildix for a call of that kind, signed with `secret`. None for text messages: of
/// those Wildix reports no more than how far ours got.
#[must_use]
pub fn wildix(scenario: Scenario, seed: &CallSeed, secret: &str) -> Vec<Step> {
    let mut chance = seed.chance(4);
    let number = chance.within(1_000, 900_000);
    let seconds = seed.start.as_second();
    let mut script = Script {
        seed,
        secret: Secret::new(secret),
        id: format!("nl_w{:06}_{seconds}.{number}", seed.seed % 1_000_000),
        chance,
        steps: Vec::new(),
    };
    match scenario {
        Scenario::Answered => script.answered(false),
        Scenario::Recording => script.answered(true),
        Scenario::Withheld => script.withheld(),
        Scenario::Missed => script.unanswered(20_000, "19", None, false),
        Scenario::Busy => script.busy(),
        Scenario::Rejected => script.unanswered(4_000, "21", Some("CALLEE"), false),
        Scenario::Voicemail => script.unanswered(20_000, "16", None, true),
        Scenario::Hold => script.hold(),
        Scenario::Transfer => script.transfer(),
        Scenario::RingGroup => script.ring_group(),
        Scenario::OutboundAnswered => script.outbound(true),
        Scenario::OutboundNoAnswer => script.outbound(false),
        Scenario::Presence => script.presence(),
        Scenario::Sms => {}
    }
    script.steps.sort_by_key(|step| step.after_ms);
    script.steps
}

struct Script<'a> {
    seed: &'a CallSeed,
    secret: Secret,
    /// The call's id.
    id: String,
    chance: Chance,
    steps: Vec<Step>,
}

/// One flow. Times are milliseconds since the start of the call.
#[derive(Clone)]
struct Flow {
    index: u64,
    caller: Value,
    callee: Value,
    began: u64,
    connect: u64,
    hold: u64,
    outbound: bool,
    answered: Option<u64>,
    ended: Option<u64>,
    extra: Vec<(&'static str, Value)>,
}

impl Flow {
    /// As it stands at that time.
    fn at(&self, now: u64, seed: &CallSeed) -> Value {
        let until = self.ended.unwrap_or(now);
        let since = |at: Option<u64>| at.map_or(0, |at| until.saturating_sub(at));
        let talk = since(self.answered).saturating_sub(self.hold);
        let connect = match self.answered {
            Some(_) => self.connect,
            None => until.saturating_sub(self.began).min(self.connect),
        };
        let direction = if self.outbound { "OUTBOUND" } else { "INBOUND" };
        let mut flow = json!({
            "flowIndex": self.index, "duration": connect + talk + self.hold,
            "connectTime": connect, "talkTime": talk, "waitTime": 0, "holdTime": self.hold,
            "caller": self.caller, "callee": self.callee, "serviceNumber": seed.line,
            "destination": self.callee["phone"], "direction": direction, "trunkName": "main",
            "trunkDirection": if self.outbound { "outgoing" } else { "incoming" }, "tags": [],
            "remotePhone": if self.outbound { &self.callee["phone"] } else { &self.caller["phone"] },
        });
        if let Some(ended) = self.ended {
            let ms = |at: u64| seed.at(at).as_millisecond();
            flow["startTime"] = json!(ms(self.began));
            flow["endTime"] = json!(ms(ended));
        }
        for (name, value) in &self.extra {
            flow[*name] = value.clone();
        }
        flow
    }
}

impl Script<'_> {
    /// A span of life of that length, give or take, at the pace of the call.
    fn span(&mut self, from: u64, to: u64) -> u64 {
        let ms = self.chance.within(from, to);
        self.seed.scaled(ms)
    }

    fn send(&mut self, at: u64, body: &Value) {
        let body = body.to_string().into_bytes();
        self.steps.push(Step {
            after_ms: at + REPORT_LAG + self.chance.within(10, 60),
            headers: vec![("x-signature".to_owned(), sign(&body, &self.secret))],
            body,
            content_type: "application/json",
        });
    }

    fn event(&mut self, at: u64, kind: &str, mut data: Value) {
        let ms = self.seed.at(at).as_millisecond();
        let company = self.id.split('_').take(2).collect::<Vec<_>>().join("_");
        for (name, value) in [
            ("id", json!(self.id)),
            ("pbx", json!("000000000001")),
            ("time", json!(ms)),
            ("company", json!(company)),
        ] {
            data[name] = value;
        }
        let body = json!({
            "id": self.id, "pbx": "000000000001", "company": company, "time": ms + 62,
            "type": kind, "integrationId": "pa67xt", "data": data,
        });
        self.send(at, &body);
    }

    /// Said while the call lasts.
    fn progress(&mut self, at: u64, flows: &[(&Flow, &str)]) {
        let told: Vec<Value> = flows
            .iter()
            .map(|(flow, status)| {
                let mut told = flow.at(at, self.seed);
                told["status"] = json!(status);
                told
            })
            .collect();
        let first = self.steps.is_empty();
        let data = json!({
            "licenses": ["x-bees"], "event": "call", "flows": told,
            "eventTrigger": if first { "call.start" } else { "call.update" },
            "start": self.seed.at(0).to_string(),
        });
        self.event(at, "call:live:progress", data);
    }

    /// Said when it is over, twice: at once, and when everything is stored.
    fn completed(&mut self, flows: &[&Flow], cause: &str, by: Option<&str>) {
        let ended = flows
            .iter()
            .filter_map(|flow| flow.ended)
            .max()
            .unwrap_or(0);
        let stored = ended + self.span(1_000, 3_000);
        for (at, kind) in [(ended, "call:live:completed"), (stored, "call:completed")] {
            let told = flows.iter().map(|flow| {
                let mut told = flow.at(ended, self.seed);
                let answered = flow.answered.is_some();
                told["callStatus"] = json!(if answered { "COMPLETED" } else { "MISSED" });
                told
            });
            let told: Vec<Value> = told.collect();
            let data = json!({
                "licenses": ["x-bees"], "type": "call", "flows": told, "endCause": cause,
                "endBy": by,
            });
            self.event(at, kind, data);
        }
    }

    fn flow(&self, index: u64, who: &Colleague, began: u64) -> Flow {
        Flow {
            index,
            caller: remote(&self.seed.caller.number, &self.seed.caller.name),
            callee: local(who),
            began,
            connect: 0,
            hold: 0,
            outbound: false,
            answered: None,
            ended: None,
            extra: Vec::new(),
        }
    }

    /// Rings and is answered.
    fn picked_up(&mut self, mut flow: Flow) -> Flow {
        let rang = flow.began + self.span(300, 900);
        self.progress(rang, &[(&flow, "CONNECTING")]);
        let answered = rang + self.span(2_500, 9_000);
        flow.connect = answered - flow.began;
        flow.answered = Some(answered);
        self.progress(answered + 80, &[(&flow, "TALKING")]);
        flow
    }

    fn answered(&mut self, recorded: bool) {
        let mut flow = self.picked_up(self.flow(0, &self.seed.agent, 0));
        let answered = flow.answered.unwrap_or(0);
        let ended = answered + self.span(20_000, 180_000);
        flow.ended = Some(ended);
        if recorded {
            let ms = |at: u64| self.seed.at(at).as_millisecond();
            let file = format!("{}.wav", self.id);
            let url = format!("https://pbx.example.com:443/spoolview/recordings/{file}");
            let recording = json!([{"recording": {"fileName": file, "start": ms(answered),
                "end": ms(ended), "owner": self.seed.agent.extension, "url": url, "pauses": []}}]);
            flow.extra.push(("attachments", recording));
        }
        self.completed(&[&flow], "16", Some("CALLER"));
    }

    fn withheld(&mut self) {
        let mut flow = self.flow(0, &self.seed.agent, 0);
        flow.caller = remote("anonymous", "anonymous");
        let mut flow = self.picked_up(flow);
        flow.ended = flow.answered.map(|at| at + self.span(20_000, 90_000));
        self.completed(&[&flow], "16", Some("CALLER"));
    }

    fn unanswered(&mut self, ringing: u64, cause: &str, by: Option<&str>, voicemail: bool) {
        let mut flow = self.flow(0, &self.seed.agent, 0);
        let rang = self.span(300, 900);
        self.progress(rang, &[(&flow, "CONNECTING")]);
        let stopped = rang + self.span(ringing, ringing + ringing / 2);
        flow.connect = stopped;
        flow.ended = Some(stopped);
        if voicemail {
            flow.ended = Some(stopped + self.span(15_000, 30_000));
            let url = format!(
                "https://pbx.example.com:443/spoolview/voicemail/{}.mp3",
                self.id
            );
            flow.extra.push(("flags", json!(["voicemail"])));
            let left = json!([{"voicemail": {"url": url, "owner": self.seed.agent.extension,
                "destinations": []}}]);
            flow.extra.push(("attachments", left));
        }
        self.completed(&[&flow], cause, by);
    }

    fn busy(&mut self) {
        let mut flow = self.flow(0, &self.seed.agent, 0);
        flow.ended = Some(self.span(1_000, 2_000));
        self.completed(&[&flow], "17", None);
    }

    fn hold(&mut self) {
        let mut flow = self.picked_up(self.flow(0, &self.seed.agent, 0));
        let held = flow.answered.unwrap_or(0) + self.span(15_000, 40_000);
        self.progress(held, &[(&flow, "HOLD")]);
        let resumed = held + self.span(10_000, 30_000);
        flow.hold = resumed - held;
        self.progress(resumed, &[(&flow, "TALKING")]);
        flow.ended = Some(resumed + self.span(15_000, 60_000));
        self.completed(&[&flow], "16", Some("CALLEE"));
    }

    fn transfer(&mut self) {
        let mut first = self.picked_up(self.flow(0, &self.seed.agent, 0));
        let handed = first.answered.unwrap_or(0) + self.span(15_000, 60_000);
        first.ended = Some(handed);
        first.extra = vec![
            ("splitReason", json!("TRANSFER")),
            ("splitTransferType", json!("BLIND")),
        ];
        let mut second = self.flow(1, &self.seed.colleague, handed);
        let rang = handed + self.span(300, 900);
        self.progress(rang, &[(&first, "TALKING"), (&second, "CONNECTING")]);
        let taken = rang + self.span(2_500, 9_000);
        second.connect = taken - handed;
        second.answered = Some(taken);
        self.progress(taken + 80, &[(&first, "TALKING"), (&second, "TALKING")]);
        second.ended = Some(taken + self.span(20_000, 90_000));
        self.completed(&[&first, &second], "16", Some("CALLER"));
    }

    fn ring_group(&mut self) {
        let mut loser = self.flow(0, &self.seed.agent, 0);
        let mut winner = self.flow(1, &self.seed.colleague, 0);
        for flow in [&mut loser, &mut winner] {
            flow.extra.push(("queueName", json!(self.seed.queue)));
        }
        let rang = self.span(300, 900);
        self.progress(rang, &[(&loser, "CONNECTING"), (&winner, "CONNECTING")]);
        let taken = rang + self.span(2_500, 9_000);
        (loser.connect, winner.connect) = (taken, taken);
        loser.ended = Some(taken);
        winner.answered = Some(taken);
        self.progress(taken + 80, &[(&loser, "CONNECTING"), (&winner, "TALKING")]);
        winner.ended = Some(taken + self.span(20_000, 120_000));
        self.completed(&[&loser, &winner], "16", Some("CALLER"));
    }

    fn outbound(&mut self, answered: bool) {
        let mut flow = self.flow(0, &self.seed.agent, 0);
        std::mem::swap(&mut flow.caller, &mut flow.callee);
        flow.outbound = true;
        if answered {
            let mut flow = self.picked_up(flow);
            flow.ended = flow.answered.map(|at| at + self.span(20_000, 120_000));
            self.completed(&[&flow], "16", Some("CALLEE"));
            return;
        }
        let rang = self.span(1_200, 2_500);
        self.progress(rang, &[(&flow, "CONNECTING")]);
        let stopped = rang + self.span(20_000, 30_000);
        (flow.connect, flow.ended) = (stopped, Some(stopped));
        self.completed(&[&flow], "19", None);
    }

    fn presence(&mut self) {
        let steps = [
            (0, "user", "available"),
            (20_000, "telephony", "talking"),
            (90_000, "telephony", "registered"),
            (120_000, "user", "away"),
        ];
        let agent = self.seed.agent.clone();
        for (after, of, status) in steps {
            let at = self.seed.scaled(after);
            let ms = self.seed.at(at).as_millisecond();
            let body = json!({
                "id": format!("p{after}"), "pbx": "000000000001", "company": "nl_w000001",
                "time": ms, "type": format!("presence:{of}"), "integrationId": "pa67xt",
                "data": {"extension": agent.extension, "email": agent.email, "sourceId": "s1",
                    "status": status},
            });
            self.send(at, &body);
        }
    }
}

fn local(who: &Colleague) -> Value {
    json!({"type": "LOCAL", "phone": who.extension, "name": who.name, "company": null,
        "email": who.email, "userId": who.user_id.to_string(), "userExtension": who.extension,
        "userDepartment": "Sales", "groupId": "1", "groupName": "Default",
        "userAgent": "Wildix x-bees", "userDevice": "XBEES_WEB", "role": "AGENT",
        "license": "premium"})
}

fn remote(number: &str, name: &str) -> Value {
    json!({"type": "REMOTE", "phone": number, "name": name, "role": "CLIENT"})
}
