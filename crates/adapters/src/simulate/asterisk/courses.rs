//! What happens on the PBX in each scenario.

use serde_json::json;

use super::ari::{Channel, Id};
use super::{Give, Script};
use crate::simulate::Colleague;

impl Script<'_> {
    pub(super) fn answered(&mut self, recorded: bool) {
        let agent = self.seed.agent.clone();
        let mut trunk = self.came_in(&format!("PJSIP/{},30", agent.extension));
        if recorded {
            let file = format!("/var/spool/asterisk/recording/rec-{}.wav", trunk.id);
            self.dialplan(&mut trunk, "MixMonitor", &format!("{file},b"));
            let members = json!({"variable": "MIXMONITOR_FILENAME", "value": file,
                "channel": trunk.json()});
            self.frame("ChannelVarset", members);
            self.dialplan(&mut trunk, "Dial", &format!("PJSIP/{},30", agent.extension));
        }
        self.talk(trunk, &agent);
    }

    fn talk(&mut self, mut trunk: Channel, agent: &Colleague) {
        let mut phone = self.ring(&mut trunk, agent);
        self.pass(2_500, 9_000);
        let bridge = self.pick_up(&mut trunk, &mut phone);
        self.device(&agent.extension, "INUSE");
        self.pass(20_000, 180_000);
        self.talk_ends(bridge, &trunk, &phone);
        self.device(&agent.extension, "NOT_INUSE");
    }

    pub(super) fn withheld(&mut self) {
        let agent = self.seed.agent.clone();
        let mut trunk = self.channel("trunk", None);
        trunk.caller = Id::new("Anonymous", "anonymous");
        trunk.context = "from-pstn";
        trunk.exten.clone_from(&self.seed.line);
        trunk.state = "Ring";
        self.about("ChannelCreated", &trunk);
        self.dialplan(&mut trunk, "Dial", &format!("PJSIP/{},30", agent.extension));
        self.talk(trunk, &agent);
    }

    pub(super) fn hold(&mut self) {
        let agent = self.seed.agent.clone();
        let mut trunk = self.came_in(&format!("PJSIP/{},30", agent.extension));
        let mut phone = self.ring(&mut trunk, &agent);
        self.pass(2_500, 9_000);
        let bridge = self.pick_up(&mut trunk, &mut phone);
        self.pass(15_000, 40_000);
        self.frame(
            "ChannelHold",
            json!({"musicclass": "default", "channel": phone.json()}),
        );
        self.pass(10_000, 30_000);
        self.about("ChannelUnhold", &phone);
        self.pass(15_000, 60_000);
        self.talk_ends(bridge, &phone, &trunk);
        self.device(&agent.extension, "NOT_INUSE");
    }

    pub(super) fn unanswered(&mut self, how: Give) {
        let agent = self.seed.agent.clone();
        let mut trunk = self.came_in(&format!("PJSIP/{},25", agent.extension));
        let phone = self.ring(&mut trunk, &agent);
        let (status, cause) = match how {
            Give::Busy => {
                self.pass(500, 1_500);
                self.ask_hangup(&phone, 17, false);
                ("BUSY", 17)
            }
            Give::Declined => {
                self.pass(2_000, 6_000);
                self.ask_hangup(&phone, 21, false);
                ("NOANSWER", 21)
            }
            Give::Up | Give::Voicemail => {
                self.pass(25_000, 25_001);
                ("NOANSWER", 0)
            }
        };
        self.dial(status, "", Some(&trunk), &phone);
        self.destroy(&phone, cause);
        self.device(&agent.extension, "NOT_INUSE");
        trunk.priority += 1;
        if how == Give::Voicemail {
            self.leave_message(&mut trunk, &agent);
            return;
        }
        self.dialplan(&mut trunk, "Hangup", "");
        self.ask_hangup(&trunk, 16, true);
        self.destroy(&trunk, if cause == 0 { 16 } else { cause });
    }

    fn leave_message(&mut self, trunk: &mut Channel, agent: &Colleague) {
        self.dialplan(
            trunk,
            "VoiceMail",
            &format!("{}@default,us", agent.extension),
        );
        trunk.state = "Up";
        self.about("ChannelStateChange", trunk);
        self.pass(15_000, 40_000);
        let members = json!({"variable": "VMSTATUS", "value": "SUCCESS", "channel": trunk.json()});
        self.frame("ChannelVarset", members);
        self.ask_hangup(trunk, 16, true);
        self.destroy(trunk, 16);
    }

    pub(super) fn transfer(&mut self) {
        let (agent, colleague) = (self.seed.agent.clone(), self.seed.colleague.clone());
        let mut trunk = self.came_in(&format!("PJSIP/{},30,T", agent.extension));
        let mut phone = self.ring(&mut trunk, &agent);
        self.pass(2_500, 9_000);
        let bridge = self.pick_up(&mut trunk, &mut phone);
        self.pass(15_000, 60_000);
        self.about("ChannelUnhold", &phone);
        self.frame(
            "BridgeBlindTransfer",
            json!({"channel": phone.json(), "exten": colleague.extension,
                "context": "from-internal", "result": "Success", "is_external": true,
                "transferee": trunk.json(), "bridge": bridge.json()}),
        );
        trunk.context = "from-internal";
        trunk.exten.clone_from(&colleague.extension);
        trunk.priority = 1;
        self.empty(bridge, [&trunk, &phone]);
        self.destroy(&phone, 16);
        self.device(&agent.extension, "NOT_INUSE");
        let mut next = self.ring(&mut trunk, &colleague);
        self.pass(2_500, 9_000);
        let bridge = self.pick_up(&mut trunk, &mut next);
        self.pass(20_000, 90_000);
        self.talk_ends(bridge, &trunk, &next);
        self.device(&colleague.extension, "NOT_INUSE");
    }

    pub(super) fn ring_group(&mut self) {
        let (agent, colleague) = (self.seed.agent.clone(), self.seed.colleague.clone());
        let both = format!("PJSIP/{}&PJSIP/{},30", agent.extension, colleague.extension);
        let mut trunk = self.came_in(&both);
        let loser = self.ring(&mut trunk, &agent);
        let mut winner = self.ring(&mut trunk, &colleague);
        self.pass(2_500, 9_000);
        winner.state = "Up";
        self.about("ChannelStateChange", &winner);
        self.dial("CANCEL", "", Some(&trunk), &loser);
        self.destroy(&loser, 26);
        self.device(&agent.extension, "NOT_INUSE");
        let bridge = self.pick_up(&mut trunk, &mut winner);
        self.pass(20_000, 120_000);
        self.talk_ends(bridge, &trunk, &winner);
        self.device(&colleague.extension, "NOT_INUSE");
    }

    pub(super) fn outbound(&mut self, answered: bool) {
        let agent = self.seed.agent.clone();
        let number = self.seed.caller.number.clone();
        let mut phone = self.channel(&agent.extension, None);
        phone.caller = Id::new(&agent.name, &agent.extension);
        phone.state = "Ring";
        phone.exten.clone_from(&number);
        self.about("ChannelCreated", &phone);
        let dialled = format!("trunk/sip:{number}@sip.example");
        self.dialplan(&mut phone, "Dial", &format!("PJSIP/{dialled},30"));
        let mut trunk = self.channel("trunk", Some(&phone));
        trunk.context = "from-pstn";
        self.about("ChannelCreated", &trunk);
        trunk.caller = Id::new("", &number);
        trunk.connected = Id::new(&agent.name, &self.seed.line);
        trunk.exten.clone_from(&number);
        trunk.app = ("AppDial".to_owned(), "(Outgoing Line)".to_owned());
        self.dial("", &dialled, Some(&phone), &trunk);
        self.pass(1_200, 2_500);
        trunk.state = "Ringing";
        self.about("ChannelStateChange", &trunk);
        self.dial("RINGING", "", Some(&phone), &trunk);
        if answered {
            self.pass(3_000, 9_000);
            let bridge = self.pick_up(&mut phone, &mut trunk);
            self.pass(20_000, 120_000);
            self.talk_ends(bridge, &phone, &trunk);
        } else {
            self.pass(30_000, 30_001);
            self.dial("NOANSWER", "", Some(&phone), &trunk);
            self.destroy(&trunk, 0);
            self.ask_hangup(&phone, 16, true);
            self.destroy(&phone, 16);
        }
        self.device(&agent.extension, "NOT_INUSE");
    }

    pub(super) fn presence(&mut self) {
        let extension = self.seed.agent.extension.clone();
        for (ms, state) in [(0, "NOT_INUSE"), (20_000, "INUSE"), (90_000, "NOT_INUSE")] {
            self.now = self.now.max(self.seed.scaled(ms));
            self.device(&extension, state);
        }
    }
}
