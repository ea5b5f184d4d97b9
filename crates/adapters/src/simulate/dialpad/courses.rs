//! What happens at Dialpad in each scenario: who rings when, and what is posted about it.

use serde_json::json;

use super::{CALL_CENTER, Leg, REPORT_LAG, Script, user};

impl Script<'_> {
    /// Rings and is answered; returns the leg and when the agent picked up.
    fn picked_up(&mut self, mut leg: Leg) -> (Leg, u64) {
        let rang = leg.started + self.span(600, 1_200);
        leg.rang = Some(rang);
        self.post(rang, "ringing", &leg);
        let connected = rang + self.span(2_500, 9_000);
        leg.connected = Some(connected);
        self.post(connected, "connected", &leg);
        (leg, connected)
    }

    fn hang_up(&mut self, leg: &mut Leg, ended: u64) {
        leg.ended = Some(ended);
        self.post(ended, "hangup", leg);
    }

    pub(super) fn answered(&mut self, recorded: bool) {
        let (mut leg, connected) = self.picked_up(self.leg(0, &self.seed.agent, 0));
        let ended = connected + self.span(20_000, 180_000);
        let id = format!("{}", self.first_id + 9);
        if recorded {
            leg.extra.push(("was_recorded", json!(true)));
            leg.extra.push(("call_recording_ids", json!([id])));
        }
        self.hang_up(&mut leg, ended);
        if recorded {
            let url = format!("https://dialpad.com/blob/callrecording/{id}.mp3");
            leg.extra.push(("recording_url", json!([url])));
            leg.extra.push((
                "recording_details",
                json!([{"id": id, "duration": ended - connected, "start_time": self.ms(connected),
                    "url": url, "recording_type": "callrecording"}]),
            ));
            let ready = ended + self.span(40_000, 90_000);
            self.post(ready, "recording", &leg);
        }
    }

    pub(super) fn withheld(&mut self) {
        let mut leg = self.leg(0, &self.seed.agent, 0);
        leg.external = json!("anonymous");
        leg.extra.push(("contact", json!({})));
        let (mut leg, connected) = self.picked_up(leg);
        let ended = connected + self.span(20_000, 90_000);
        self.hang_up(&mut leg, ended);
    }

    /// Rings out; returns the leg and its end.
    pub(super) fn missed(&mut self) {
        self.rung_out();
    }

    fn rung_out(&mut self) -> (Leg, u64) {
        let mut leg = self.leg(0, &self.seed.agent, 0);
        let rang = self.span(600, 1_200);
        leg.rang = Some(rang);
        self.post(rang, "ringing", &leg);
        let ended = rang + self.span(18_000, 30_000);
        leg.ended = Some(ended);
        self.post(ended, "missed", &leg);
        self.post(ended + 100, "hangup", &leg);
        (leg, ended)
    }

    pub(super) fn voicemail(&mut self) {
        let (mut leg, ended) = self.rung_out();
        let reached = ended + self.span(800, 1_500);
        self.post(reached, "voicemail", &leg);
        let id = format!("{}", self.first_id + 9);
        let link = format!("https://dialpad.com/blob/voicemail/{id}.mp3");
        leg.extra.push(("voicemail_link", json!(link)));
        leg.extra.push(("voicemail_recording_id", json!(id)));
        let text = "Goedemorgen, kunt u mij terugbellen over mijn bestelling?";
        leg.extra.push(("transcription_text", json!(text)));
        let uploaded = reached + self.span(25_000, 45_000);
        self.post(uploaded, "voicemail_uploaded", &leg);
    }

    pub(super) fn busy(&mut self) {
        let mut leg = self.leg(0, &self.seed.agent, 0);
        leg.extra
            .push(("target_availability_status", json!("busy")));
        let ended = self.span(2_000, 4_000);
        self.hang_up(&mut leg, ended);
    }

    pub(super) fn rejected(&mut self) {
        let mut leg = self.leg(0, &self.seed.agent, 0);
        let ended = self.seed.scaled(60);
        leg.ended = Some(ended);
        self.post(ended, "blocked", &leg);
    }

    pub(super) fn hold(&mut self) {
        let (mut leg, connected) = self.picked_up(self.leg(0, &self.seed.agent, 0));
        let held = connected + self.span(15_000, 40_000);
        self.post(held, "hold", &leg);
        let resumed = held + self.span(10_000, 30_000);
        leg.held = resumed - held;
        self.post(resumed, "connected", &leg);
        let ended = resumed + self.span(15_000, 60_000);
        self.hang_up(&mut leg, ended);
    }

    pub(super) fn transfer(&mut self) {
        let center = self.center();
        self.post(center.queued.unwrap_or(0), "queued", &center);
        let first = self.member(1, &self.seed.agent, self.seed.scaled(1_500));
        let (mut first, connected) = self.picked_up(first);
        let asked = connected + self.span(15_000, 60_000);
        let mut second = self.member(2, &self.seed.colleague, asked);
        second.extra.push(("is_transferred", json!(true)));
        let mut from = user(&self.seed.agent);
        from["call_id"] = json!(first.id);
        second.extra.push(("transferred_from", from));
        first.extra.push(("is_transferred", json!(true)));
        self.hang_up(&mut first, asked + 200);
        let (mut second, taken) = self.picked_up(second);
        let ended = taken + self.span(20_000, 90_000);
        self.hang_up(&mut second, ended);
        self.close_center(center, &first, second.id, ended);
    }

    pub(super) fn ring_group(&mut self) {
        let center = self.center();
        self.post(center.queued.unwrap_or(0), "queued", &center);
        let started = self.seed.scaled(1_500);
        let mut loser = self.member(1, &self.seed.agent, started);
        let rang = started + self.seed.scaled(600);
        loser.rang = Some(rang);
        self.post(rang, "ringing", &loser);
        let (mut winner, connected) = self.picked_up(self.member(2, &self.seed.colleague, started));
        self.hang_up(&mut loser, connected + 100);
        let ended = connected + self.span(20_000, 120_000);
        self.hang_up(&mut winner, ended);
        self.close_center(center, &winner, winner.id, ended);
    }

    /// The call centre's leg goes along with the agent's and ends after it.
    fn close_center(&mut self, mut center: Leg, answered: &Leg, last: u64, ended: u64) {
        center.connected = answered.connected;
        center.extra.push(("operator_call_id", json!(last)));
        self.hang_up(&mut center, ended + 10);
    }

    pub(super) fn outbound(&mut self, answered: bool) {
        let mut leg = self.leg(0, &self.seed.agent, 0);
        leg.direction = "outbound";
        leg.extra.push(("custom_data", json!("simulated")));
        self.post(self.seed.scaled(100), "calling", &leg);
        let rang = self.span(1_200, 2_500);
        leg.rang = Some(rang);
        let ended = if answered {
            let connected = rang + self.span(3_000, 9_000);
            leg.connected = Some(connected);
            self.post(connected, "connected", &leg);
            connected + self.span(20_000, 120_000)
        } else {
            rang + self.span(20_000, 30_000)
        };
        self.hang_up(&mut leg, ended);
    }

    pub(super) fn messages(&mut self) {
        let (caller, agent) = (&self.seed.caller, &self.seed.agent);
        let target = json!({"id": agent.user_id, "name": agent.name, "phone_number": agent.number,
            "type": "user"});
        let message = |id: u64, at: i64, inbound: bool, text: &str, status: &str| {
            let (from, to) = if inbound {
                (&caller.number, &agent.number)
            } else {
                (&agent.number, &caller.number)
            };
            json!({"admins": [], "contact": {"id": "contact_1", "name": caller.name,
                    "phone_number": caller.number},
                "created_date": at, "event_timestamp": at, "from_number": from, "id": id,
                "direction": if inbound { "inbound" } else { "outbound" }, "is_internal": false,
                "message_delivery_result": null, "message_status": status, "mms": false,
                "mms_url": null, "sender_id": null, "target": target, "text": text,
                "text_content": text, "to_number": [to]})
        };
        let (asked, answer) = ("Wanneer komt mijn bestelling?", "Morgen voor twaalf uur.");
        let replied = self.span(30_000, 60_000);
        let delivered = replied + self.span(1_000, 3_000);
        let first = message(self.first_id, self.ms(0), true, asked, "pending");
        let reply = message(
            self.first_id + 1,
            self.ms(replied),
            false,
            answer,
            "pending",
        );
        let mut receipt = message(
            self.first_id + 1,
            self.ms(replied),
            false,
            answer,
            "success",
        );
        receipt["event_timestamp"] = json!(self.ms(delivered));
        self.send(0, &first);
        self.send(replied, &reply);
        self.send(delivered, &receipt);
    }

    pub(super) fn presence(&mut self) {
        let steps = [
            (0, "available", "available"),
            (20_000, "unavailable", "occupied"),
            (90_000, "available", "wrapup"),
            (120_000, "available", "wrapup-end"),
        ];
        for (after, availability, duty) in steps {
            let at = self.seed.scaled(after);
            let event = json!({"availability_status": availability, "on_duty_status": duty,
                "on_duty_status_reason": null, "call_center_ids": [CALL_CENTER.to_string()],
                "powerdialer_mode": false, "date": self.ms(at),
                "event_timestamp": self.ms(at + REPORT_LAG), "target": user(&self.seed.agent)});
            self.send(at + REPORT_LAG, &event);
        }
    }
}
