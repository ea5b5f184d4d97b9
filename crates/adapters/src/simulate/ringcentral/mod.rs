//! The posts of RingCentral for a simulated call: telephony session events with one party each,
//! in the shape of recorded ones, and the voicemail, SMS and presence events beside them.
//!
//! Here: how an event is written. In `courses`: what happens in each scenario.

mod courses;

use serde_json::{Value, json};

use super::cast::{CallSeed, Chance, Colleague};
use super::{Scenario, Step};

/// The account and the extension of the queue of the demo.
const ACCOUNT: &str = "400100100";
const QUEUE: &str = "400100902";
const SUBSCRIPTION: &str = "2461434a-276a-4073-bd26-34089effbad5";

/// How long after something happened RingCentral says so, in milliseconds: not scaled.
const REPORT_LAG: u64 = 50;

/// The posts of RingCentral for a call of that kind; `secret` is the verification token. A busy
/// agent is told as RingCentral does it: a party that ends with `TargetBusy` without ringing.
#[must_use]
pub fn ringcentral(scenario: Scenario, seed: &CallSeed, secret: &str) -> Vec<Step> {
    let mut script = Script::new(seed, secret);
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

/// One party, which every event about it tells in full.
#[derive(Clone)]
struct Party {
    nth: u64,
    extension: Option<String>,
    direction: &'static str,
    from: Value,
    to: Value,
    missed: bool,
    /// Members that differ from the plain event.
    extra: Vec<(&'static str, Value)>,
}

struct Script<'a> {
    seed: &'a CallSeed,
    secret: &'a str,
    chance: Chance,
    /// What ids of session and parties share.
    middle: String,
    session_id: u64,
    sequence: u64,
    steps: Vec<Step>,
}

impl<'a> Script<'a> {
    fn new(seed: &'a CallSeed, secret: &'a str) -> Self {
        let mut chance = seed.chance(3);
        let middle = format!("{:016x}{:016x}", chance.next(), chance.next());
        let session_id = 429_000_000_000 + chance.within(0, 900_000_000);
        Self {
            seed,
            secret,
            chance,
            middle,
            session_id,
            // Recorded sessions begin with 2.
            sequence: 1,
            steps: Vec::new(),
        }
    }

    /// A span of life of that length, give or take, at the pace of the call.
    fn span(&mut self, from: u64, to: u64) -> u64 {
        let ms = self.chance.within(from, to);
        self.seed.scaled(ms)
    }

    fn outside(&self) -> Value {
        let caller = &self.seed.caller;
        match caller.name.as_str() {
            "" => json!({ "phoneNumber": caller.number }),
            name => json!({ "phoneNumber": caller.number, "name": name }),
        }
    }

    /// The party of the customer who calls: no extension, and `Outbound` as they dial.
    fn caller(&self) -> Party {
        Party {
            nth: 1,
            extension: None,
            direction: "Outbound",
            from: self.outside(),
            to: json!({ "phoneNumber": self.seed.line }),
            missed: false,
            extra: Vec::new(),
        }
    }

    /// The party of an agent who is called.
    fn called(&self, nth: u64, who: &Colleague) -> Party {
        Party {
            nth,
            extension: Some(who.user_id.to_string()),
            direction: "Inbound",
            from: self.outside(),
            to: json!({ "phoneNumber": self.seed.line, "name": who.name,
                "extensionId": who.user_id.to_string() }),
            missed: false,
            extra: Vec::new(),
        }
    }

    fn tell(&mut self, at: u64, code: &str, party: &Party) {
        self.tell_why(at, code, party, None);
    }

    fn tell_why(&mut self, at: u64, code: &str, party: &Party, reason: Option<&str>) {
        self.sequence += 1;
        let mut status = json!({ "code": code, "rcc": false });
        if let Some(reason) = reason {
            status["reason"] = json!(reason);
        }
        let mut told = json!({
            "accountId": ACCOUNT, "id": format!("p-{}-{}", self.middle, party.nth),
            "direction": party.direction, "to": party.to, "from": party.from, "status": status,
            "park": {}, "missedCall": party.missed, "standAlone": false, "muted": false,
        });
        let mut path = String::new();
        if let Some(extension) = &party.extension {
            told["extensionId"] = json!(extension);
            path = format!("/extension/{extension}");
        }
        for (name, value) in &party.extra {
            told[*name] = value.clone();
        }
        let body = json!({
            "sequence": self.sequence, "sessionId": self.session_id.to_string(),
            "telephonySessionId": format!("s-{}", self.middle), "serverId": "10.13.22.27.TAM",
            "eventTime": self.time(at), "parties": [told], "origin": { "type": "Call" },
        });
        self.post(at, &format!("{path}/telephony/sessions"), &body);
    }

    /// An event of any kind; `path` is what follows the account.
    fn post(&mut self, at: u64, path: &str, body: &Value) {
        let sent = at + REPORT_LAG;
        let uuid = self.chance.next() >> 1;
        let event = json!({
            "uuid": uuid.to_string(), "event": format!("/restapi/v1.0/account/{ACCOUNT}{path}"),
            "timestamp": self.time(sent), "subscriptionId": SUBSCRIPTION, "ownerId": ACCOUNT,
            "body": body,
        });
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        self.steps.push(Step {
            after_ms: sent + self.chance.within(20, 120),
            body: event.to_string().into_bytes(),
            content_type: "application/json",
            headers: vec![
                header("user-agent", "RingCentral-Webhook/8.3"),
                header("verification-token", self.secret),
            ],
        });
    }

    fn time(&self, at: u64) -> String {
        format!("{:.3}", self.seed.at(at))
    }
}
