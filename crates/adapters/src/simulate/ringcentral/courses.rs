//! What happens at RingCentral in each scenario: which party is told about when.

use serde_json::json;

use super::{Party, QUEUE, Script};

impl Script<'_> {
    /// The call comes in and the agent's telephone rings; gives both parties and the moment.
    fn rung(&mut self) -> (Party, Party, u64) {
        let caller = self.caller();
        let agent = self.called(2, &self.seed.agent);
        let (caller, rang) = self.rung_at(caller, &agent);
        (caller, agent, rang)
    }

    fn rung_at(&mut self, mut caller: Party, agent: &Party) -> (Party, u64) {
        self.tell(0, "Setup", &caller);
        let setup = self.seed.scaled(40);
        self.tell(setup, "Setup", agent);
        // Once it is known who is called, the caller's party says so.
        caller.to.clone_from(&agent.to);
        let rang = setup + self.span(400, 1_000);
        self.tell(rang, "Proceeding", agent);
        (caller, rang)
    }

    fn picked_up(&mut self, agent: &Party, rang: u64) -> u64 {
        let answered = rang + self.span(2_500, 9_000);
        self.tell(answered, "Answered", agent);
        answered
    }

    /// Who hangs up leaves first.
    fn closed(&mut self, at: u64, first: &Party, second: &Party) {
        self.tell(at, "Disconnected", first);
        self.tell(at + 4, "Disconnected", second);
    }

    pub(super) fn answered(&mut self, recorded: bool) {
        let (caller, mut agent, rang) = self.rung();
        let answered = self.picked_up(&agent, rang);
        if recorded {
            let id = self.chance.within(1_000_000_000, 2_000_000_000).to_string();
            let begun = answered + self.span(500, 1_500);
            agent
                .extra
                .push(("recordings", json!([{ "id": id, "active": true }])));
            self.tell(begun, "Answered", &agent);
        }
        let ended = answered + self.span(20_000, 180_000);
        self.closed(ended, &caller, &agent);
    }

    pub(super) fn withheld(&mut self) {
        let (mut caller, mut agent) = (self.caller(), self.called(2, &self.seed.agent));
        for party in [&mut caller, &mut agent] {
            party.from = json!({ "name": "Anonymous" });
        }
        let (caller, rang) = self.rung_at(caller, &agent);
        let answered = self.picked_up(&agent, rang);
        let ended = answered + self.span(20_000, 90_000);
        self.closed(ended, &caller, &agent);
    }

    pub(super) fn missed(&mut self) {
        let (caller, mut agent, rang) = self.rung();
        let ended = rang + self.span(18_000, 30_000);
        agent.missed = true;
        self.tell_why(ended, "Disconnected", &agent, Some("Cancelled"));
        self.tell(ended + 4, "Disconnected", &caller);
    }

    pub(super) fn voicemail(&mut self) {
        let (caller, mut agent, rang) = self.rung();
        let reached = rang + self.span(18_000, 25_000);
        agent.missed = true;
        self.tell(reached, "VoiceMail", &agent);
        let ended = reached + self.span(8_000, 20_000);
        self.tell(ended, "Disconnected", &agent);
        self.tell(ended + 4, "Disconnected", &caller);
        let stored = ended + self.span(15_000, 40_000);
        let who = &self.seed.agent;
        let id = self
            .chance
            .within(80_000_000_000, 90_000_000_000)
            .to_string();
        let store = format!("/extension/{}/message-store/{id}", who.user_id);
        let uri = format!("https://platform.ringcentral.com/restapi/v1.0/account/~{store}");
        let body = json!({
            "id": id, "to": [{ "name": who.name, "extensionNumber": who.extension }],
            "from": self.outside(), "type": "VoiceMail", "creationTime": self.time(ended),
            "lastModifiedTime": self.time(stored), "readStatus": "Unread", "priority": "Normal",
            "attachments": [{ "id": id, "uri": format!("{uri}/content/{id}"),
                "type": "AudioRecording", "contentType": "audio/x-wav",
                "vmDuration": (ended - reached) / 1_000 }],
            "direction": "Inbound", "availability": "Alive", "messageStatus": "Received",
            "vmTranscriptionStatus": "NotAvailable",
        });
        let path = format!("/extension/{}/voicemail", who.user_id);
        self.post(stored, &path, &body);
    }

    /// The telephone is busy: it is never rung.
    pub(super) fn busy(&mut self) {
        let (mut caller, mut agent) = (self.caller(), self.called(2, &self.seed.agent));
        self.tell(0, "Setup", &caller);
        let setup = self.seed.scaled(40);
        self.tell(setup, "Setup", &agent);
        caller.to.clone_from(&agent.to);
        agent.missed = true;
        let ended = setup + self.span(2_000, 4_000);
        self.tell_why(ended, "Disconnected", &agent, Some("TargetBusy"));
        self.tell(ended + 4, "Disconnected", &caller);
    }

    pub(super) fn rejected(&mut self) {
        let (caller, agent, rang) = self.rung();
        let ended = rang + self.span(2_000, 6_000);
        self.tell_why(ended, "Disconnected", &agent, Some("Rejected"));
        self.tell(ended + 4, "Disconnected", &caller);
    }

    pub(super) fn hold(&mut self) {
        let (caller, agent, rang) = self.rung();
        let answered = self.picked_up(&agent, rang);
        let held = answered + self.span(15_000, 40_000);
        self.tell(held, "Hold", &agent);
        let resumed = held + self.span(10_000, 30_000);
        self.tell(resumed, "Answered", &agent);
        let ended = resumed + self.span(15_000, 60_000);
        self.closed(ended, &agent, &caller);
    }

    pub(super) fn transfer(&mut self) {
        let (caller, first, rang) = self.rung();
        let answered = self.picked_up(&first, rang);
        let asked = answered + self.span(15_000, 60_000);
        self.tell_why(asked, "Disconnected", &first, Some("BlindTransfer"));
        let mut second = self.called(3, &self.seed.colleague);
        second.to["phoneNumber"] = json!(self.seed.colleague.extension);
        self.tell(asked + 5, "Setup", &second);
        let rang = asked + self.span(400, 1_000) + 5;
        self.tell(rang, "Proceeding", &second);
        let taken = self.picked_up(&second, rang);
        let ended = taken + self.span(20_000, 90_000);
        self.closed(ended, &caller, &second);
    }

    /// A queue: its own party takes the call, then the telephones of two agents ring.
    pub(super) fn ring_group(&mut self) {
        let mut caller = self.caller();
        self.tell(0, "Setup", &caller);
        let to = json!({ "phoneNumber": self.seed.line, "name": self.seed.queue,
            "extensionId": QUEUE });
        caller.to.clone_from(&to);
        let mut queue = caller.clone();
        queue.nth = 2;
        queue.extension = Some(QUEUE.to_owned());
        queue.direction = "Inbound";
        let setup = self.seed.scaled(40);
        self.tell(setup, "Setup", &queue);
        self.tell(setup + 5, "Answered", &caller);
        let rang = setup + self.span(1_500, 3_000) + 10;
        let name = &self.seed.caller.name;
        let shown = json!({ "primary": { "type": "QueueName", "value": self.seed.queue },
            "additional": { "type": "CallerIdName", "value": name } });
        let seed = self.seed;
        let mut member = |nth, who| {
            let mut party = self.called(nth, who);
            party.to.clone_from(&to);
            party.from["name"] = json!(format!("{} - {name}", self.seed.queue));
            party.extra.push(("queueCall", json!(true)));
            party.extra.push(("uiCallInfo", shown.clone()));
            self.tell(rang, "Proceeding", &party);
            party
        };
        let loser = member(3, &seed.agent);
        let winner = member(4, &seed.colleague);
        let answered = self.picked_up(&winner, rang);
        for (after, party) in [(5, &queue), (8, &loser)] {
            self.tell_why(
                answered + after,
                "Disconnected",
                party,
                Some("AgentAnswered"),
            );
        }
        let ended = answered + self.span(20_000, 120_000) + 10;
        self.closed(ended, &caller, &winner);
    }

    pub(super) fn outbound(&mut self, answered: bool) {
        let who = &self.seed.agent;
        let mut own = json!({ "phoneNumber": who.number,
            "extensionId": who.user_id.to_string(), "deviceId": "801000001" });
        let to = json!({ "phoneNumber": self.seed.caller.number });
        let agent = Party {
            nth: 1,
            extension: Some(who.user_id.to_string()),
            direction: "Outbound",
            from: own.clone(),
            to: to.clone(),
            missed: false,
            extra: Vec::new(),
        };
        if let Some(own) = own.as_object_mut() {
            own.remove("deviceId");
            own.insert("name".to_owned(), json!(who.name));
        }
        let customer = Party {
            nth: 2,
            extension: None,
            direction: "Inbound",
            from: own,
            ..agent.clone()
        };
        self.tell(0, "Setup", &agent);
        let rang = self.span(40, 200) + 1;
        self.tell(rang, "Proceeding", &customer);
        let heard = rang + self.span(1_000, 2_500);
        self.tell(heard, "Proceeding", &agent);
        if !answered {
            let ended = heard + self.span(20_000, 30_000);
            self.tell_why(ended, "Disconnected", &customer, Some("NoAnswer"));
            self.tell(ended + 4, "Disconnected", &agent);
            return;
        }
        let taken = self.picked_up(&customer, heard);
        self.tell(taken + 30, "Answered", &agent);
        let ended = taken + self.span(20_000, 120_000) + 40;
        self.closed(ended, &agent, &customer);
    }

    pub(super) fn messages(&mut self) {
        let (caller, who) = (&self.seed.caller, &self.seed.agent);
        let path = format!("/extension/{}/message-store/instant", who.user_id);
        let first = self.chance.within(606_000_000_000, 607_000_000_000);
        let conversation = self.chance.next().to_string();
        let message = |id: u64, sent: String, changed: String, inbound: bool, status: &str| {
            let outside = json!({ "phoneNumber": caller.number, "name": caller.name });
            let own = json!({ "phoneNumber": who.number, "name": who.name });
            let (from, to) = if inbound {
                (outside, own)
            } else {
                (own, outside)
            };
            let text = if inbound {
                "Wanneer komt mijn bestelling?"
            } else {
                "Morgen voor twaalf uur."
            };
            json!({
                "id": id.to_string(), "to": [to], "from": from, "type": "SMS",
                "creationTime": sent, "lastModifiedTime": changed, "readStatus": "Unread",
                "priority": "Normal", "attachments": [], "availability": "Alive",
                "direction": if inbound { "Inbound" } else { "Outbound" }, "subject": text,
                "messageStatus": status, "conversationId": conversation,
            })
        };
        let replied = self.span(30_000, 60_000);
        let delivered = replied + self.span(1_000, 3_000);
        for (at, id, sent, status) in [
            (0, first, 0, "Received"),
            (replied, first + 1, replied, "Sent"),
            (delivered, first + 1, replied, "Delivered"),
        ] {
            let inbound = status == "Received";
            let body = message(id, self.time(sent), self.time(at), inbound, status);
            self.post(at, &path, &body);
        }
    }

    pub(super) fn presence(&mut self) {
        let extension = self.seed.agent.user_id.to_string();
        let path = format!("/extension/{extension}/presence");
        let steps = [
            (0, "NoCall", "Available", "TakeAllCalls"),
            (20_000, "CallConnected", "Busy", "TakeAllCalls"),
            (90_000, "NoCall", "Busy", "DoNotAcceptAnyCalls"),
            (120_000, "NoCall", "Available", "TakeAllCalls"),
        ];
        for (nth, (after, telephony, presence, dnd)) in steps.into_iter().enumerate() {
            let at = self.seed.scaled(after);
            let body = json!({
                "extensionId": extension, "telephonyStatus": telephony, "sequence": 2_698 + nth,
                "presenceStatus": presence, "userStatus": "Available",
                "meetingStatus": "Disconnected", "dndStatus": dnd, "allowSeeMyPresence": true,
                "ringOnMonitoredCall": false, "pickUpCallsOnHold": false,
                "totalActiveCalls": u8::from(telephony != "NoCall"),
            });
            self.post(at, &path, &body);
        }
    }
}
