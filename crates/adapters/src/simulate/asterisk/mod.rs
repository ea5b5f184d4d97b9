//! The ARI frames of a PBX for a simulated call, in the order and shape in which a real Asterisk
//! 22 sent them (recordings in `fixtures/asterisk`): channels are created, dialled, change state,
//! enter and leave a bridge, are destroyed. Frames that say nothing new (`ChannelVarset` of dial
//! variables, repeated `ChannelDialplan`) are left out.
//!
//! Here: how frames are written and what channels do. In `courses`: each scenario.

mod ari;
mod courses;

use serde_json::{Map, Value, json};

use self::ari::{Bridge, Channel, Id, cause_text, time};
use super::cast::{CallSeed, Chance, Colleague};
use super::{Scenario, Step};

/// The frames of a PBX for a call of that kind. Empty for text messages, which a PBX does not
/// have. The trunk is `PJSIP/trunk`, the agents are the endpoints named by their extensions.
#[must_use]
pub fn asterisk(scenario: Scenario, seed: &CallSeed) -> Vec<Step> {
    let mut script = Script::new(seed);
    match scenario {
        Scenario::Answered => script.answered(false),
        Scenario::Recording => script.answered(true),
        Scenario::Withheld => script.withheld(),
        Scenario::Missed => script.unanswered(Give::Up),
        Scenario::Voicemail => script.unanswered(Give::Voicemail),
        Scenario::Busy => script.unanswered(Give::Busy),
        Scenario::Rejected => script.unanswered(Give::Declined),
        Scenario::Hold => script.hold(),
        Scenario::Transfer => script.transfer(),
        Scenario::RingGroup => script.ring_group(),
        Scenario::OutboundAnswered => script.outbound(true),
        Scenario::OutboundNoAnswer => script.outbound(false),
        Scenario::Presence => script.presence(),
        Scenario::Sms => {}
    }
    script.steps
}

/// How a call that nobody answers goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Give {
    Up,
    Voicemail,
    Busy,
    Declined,
}

struct Script<'a> {
    seed: &'a CallSeed,
    chance: Chance,
    /// Number of the next channel.
    next: u64,
    /// Milliseconds since the start.
    now: u64,
    steps: Vec<Step>,
}

impl<'a> Script<'a> {
    fn new(seed: &'a CallSeed) -> Self {
        let mut chance = seed.chance(2);
        let next = chance.within(0, 100_000_000) * 8;
        Self {
            seed,
            chance,
            next,
            now: 0,
            steps: Vec::new(),
        }
    }

    /// Lets life pass.
    fn pass(&mut self, from: u64, to: u64) {
        let ms = self.chance.within(from, to);
        self.now += self.seed.scaled(ms);
    }

    /// Sends a frame, one millisecond after the one before.
    fn frame(&mut self, kind: &str, members: Value) {
        let mut frame = match members {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        frame.insert("type".to_owned(), json!(kind));
        frame.insert("timestamp".to_owned(), json!(time(self.seed.at(self.now))));
        frame.insert("asterisk_id".to_owned(), json!("02:00:00:00:00:01"));
        frame.insert("application".to_owned(), json!("switchhook"));
        self.steps.push(Step {
            after_ms: self.now,
            body: Value::Object(frame).to_string().into_bytes(),
            content_type: "application/json",
            headers: Vec::new(),
        });
        self.now += 1;
    }

    fn about(&mut self, kind: &str, channel: &Channel) {
        self.frame(kind, json!({"channel": channel.json()}));
    }

    /// A new channel of an endpoint.
    fn channel(&mut self, endpoint: &str, linked: Option<&Channel>) -> Channel {
        let created = self.seed.at(self.now);
        let id = format!("{}.{}", created.as_second(), self.next);
        let name = format!("PJSIP/{endpoint}-{:08x}", self.next);
        self.next += 1;
        Channel {
            linked: linked.map_or_else(|| id.clone(), |channel| channel.linked.clone()),
            id,
            name,
            state: "Down",
            caller: Id::default(),
            connected: Id::default(),
            context: "from-internal",
            exten: "s".to_owned(),
            priority: 1,
            app: (String::new(), String::new()),
            created,
        }
    }

    /// The customer's channel comes in and the dialplan dials `to`.
    fn came_in(&mut self, to: &str) -> Channel {
        let mut trunk = self.channel("trunk", None);
        let caller = &self.seed.caller;
        trunk.caller = Id::new(&caller.name, &caller.number);
        trunk.context = "from-pstn";
        trunk.exten.clone_from(&self.seed.line);
        trunk.state = "Ring";
        self.about("ChannelCreated", &trunk);
        self.dialplan(&mut trunk, "Dial", to);
        trunk
    }

    fn dialplan(&mut self, channel: &mut Channel, app: &str, data: &str) {
        channel.app = (app.to_owned(), data.to_owned());
        let channel = channel.json();
        self.frame(
            "ChannelDialplan",
            json!({"dialplan_app": app, "dialplan_app_data": data, "channel": channel}),
        );
    }

    /// The phone of an agent is dialled and rings.
    fn ring(&mut self, caller: &mut Channel, who: &Colleague) -> Channel {
        let mut phone = self.channel(&who.extension, Some(caller));
        phone.caller = Id::new(&who.name, &who.extension);
        self.about("ChannelCreated", &phone);
        phone.connected = caller.caller.clone();
        phone.exten.clone_from(&caller.exten);
        phone.app = ("AppDial".to_owned(), "(Outgoing Line)".to_owned());
        self.dial("", &who.extension, Some(caller), &phone);
        caller.connected = phone.caller.clone();
        self.about("ChannelConnectedLine", caller);
        self.pass(20, 80);
        phone.state = "Ringing";
        self.about("ChannelStateChange", &phone);
        self.dial("RINGING", "", Some(caller), &phone);
        self.device(&who.extension, "RINGING");
        phone
    }

    fn dial(&mut self, status: &str, dialstring: &str, caller: Option<&Channel>, peer: &Channel) {
        let mut members = json!({"dialstatus": status, "forward": "", "dialstring": dialstring,
            "peer": peer.json()});
        if let Some(caller) = caller {
            members["caller"] = caller.json();
        }
        self.frame("Dial", members);
    }

    fn device(&mut self, endpoint: &str, state: &str) {
        let device = json!({"name": format!("PJSIP/{endpoint}"), "state": state});
        self.frame("DeviceStateChanged", json!({"device_state": device}));
    }

    /// The called side picks up, then the caller's channel; both enter a new bridge.
    fn pick_up(&mut self, caller: &mut Channel, called: &mut Channel) -> Bridge {
        called.state = "Up";
        self.about("ChannelStateChange", called);
        self.dial("ANSWER", "", Some(caller), called);
        if caller.state != "Up" {
            caller.state = "Up";
            self.about("ChannelStateChange", caller);
        }
        let words = [self.chance.next(), self.chance.next()];
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            words[0] >> 32,
            words[0] & 0xffff,
            (words[0] >> 16) & 0xfff,
            words[1] >> 52,
            words[1] & 0xffff_ffff_ffff
        );
        let mut bridge = Bridge {
            id,
            channels: Vec::new(),
            created: self.seed.at(self.now),
        };
        self.frame("BridgeCreated", json!({"bridge": bridge.json()}));
        for channel in [&*called, &*caller] {
            bridge.channels.push(channel.id.clone());
            self.in_bridge("ChannelEnteredBridge", &bridge, channel);
        }
        bridge
    }

    fn in_bridge(&mut self, kind: &str, bridge: &Bridge, channel: &Channel) {
        let members = json!({"bridge": bridge.json(), "channel": channel.json()});
        self.frame(kind, members);
    }

    fn empty(&mut self, mut bridge: Bridge, channels: [&Channel; 2]) {
        for channel in channels {
            bridge.channels.retain(|id| *id != channel.id);
            self.in_bridge("ChannelLeftBridge", &bridge, channel);
        }
        self.frame("BridgeDestroyed", json!({"bridge": bridge.json()}));
    }

    /// A hangup asked for by the channel's own party, or (`soft`) by the PBX.
    fn ask_hangup(&mut self, channel: &Channel, cause: u8, soft: bool) {
        let mut members = json!({"cause": cause, "channel": channel.json()});
        if soft {
            members["soft"] = json!(true);
        }
        self.frame("ChannelHangupRequest", members);
    }

    fn destroy(&mut self, channel: &Channel, cause: u8) {
        self.frame(
            "ChannelDestroyed",
            json!({"cause": cause, "cause_txt": cause_text(cause), "channel": channel.json()}),
        );
    }

    /// `first` hangs up, and with it the other goes.
    fn talk_ends(&mut self, bridge: Bridge, first: &Channel, other: &Channel) {
        self.ask_hangup(first, 16, false);
        self.empty(bridge, [first, other]);
        self.ask_hangup(other, 16, true);
        self.destroy(first, 16);
        self.destroy(other, 16);
    }
}
