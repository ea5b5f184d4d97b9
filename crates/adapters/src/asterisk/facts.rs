//! What an event of Asterisk means: from a [`Happening`] to signals.
//!
//! Every event names its channels in full, so each says again what it knows of them: whose leg it
//! is, whether it rings, whether it is up. The domain keeps the earliest; an event lost or late
//! costs nothing but its own moment. Nothing is remembered here.
//!
//! The rules that are not plain from the event names:
//! * The channel id is the leg id. Keys are `chan:<id>` of all channels an event names and
//!   `linked:<id>` of the call, where Asterisk shows it; a mixing bridge joins all in it, a
//!   holding bridge (parking, music) nobody.
//! * A caller's channel shows the caller. A channel that was dialled shows whatever the dialplan
//!   made of it, so the number of an outside party that is called comes from the dial string.
//! * A hangup request that is not `soft` came from the channel's own party.

use switchhook_domain::Timestamp;
use switchhook_domain::cause::{Cause, Reason};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{CallFact, LegFact, LegKind, MAX_KEYS, Party, Signal};

use super::causes::cause_of;
use super::channel::{Channel, EndpointRules, State};
use super::happening::{Bridge, Happening, RawCause};

/// What is known apart from the event.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) rules: &'a EndpointRules<'a>,
    pub(super) plan: &'a NumberPlan,
}

/// What an event says.
pub(super) fn signals(
    at: Timestamp,
    happening: &Happening<'_>,
    setting: Setting<'_>,
) -> Vec<Signal> {
    let mut told = Told::new(at, setting);
    told.tell(happening);
    told.signals
}

/// The signals of one event while they are put together.
pub(super) struct Told<'a> {
    pub(super) at: Timestamp,
    pub(super) setting: Setting<'a>,
    keys: Vec<String>,
    pub(super) signals: Vec<Signal>,
}

impl<'a> Told<'a> {
    pub(super) fn new(at: Timestamp, setting: Setting<'a>) -> Self {
        Self {
            at,
            setting,
            keys: Vec::new(),
            signals: Vec::new(),
        }
    }

    fn tell(&mut self, happening: &Happening<'_>) {
        match happening {
            Happening::Created(channel) => {
                self.about(&[channel], &[]);
                self.created(channel);
                self.began(channel);
            }
            Happening::Shown(channel) | Happening::Application(channel) => {
                self.about(&[channel], &[]);
                self.shown(channel);
            }
            Happening::Named(channel) => {
                self.about(&[channel], &[]);
                self.shown(channel);
                self.named(channel);
            }
            Happening::Dial(attempt) => {
                let mut channels = vec![&attempt.peer];
                channels.extend(attempt.caller.iter().chain(&attempt.forwarded));
                self.about(&channels, &[]);
                channels.into_iter().for_each(|channel| self.shown(channel));
                self.dialled(attempt);
            }
            Happening::Entered(bridge, channel) => {
                self.about(&[channel], &[bridge]);
                self.shown(channel);
                self.joined(bridge, channel);
            }
            Happening::Left(bridge, channel) => {
                self.about(&[channel], &[]);
                self.shown(channel);
                if bridge.mixing {
                    self.leg(
                        channel,
                        LegFact::Left {
                            bridge: bridge.id.to_string(),
                        },
                    );
                }
            }
            Happening::Merged(into, from) => {
                self.about(&[], &[into, from]);
                self.call(CallFact::Linked);
            }
            Happening::Held(channel) => self.one(channel, LegFact::Held),
            Happening::Resumed(channel) => self.one(channel, LegFact::Resumed),
            Happening::HangupAsked {
                channel,
                cause,
                soft,
            } => {
                self.about(&[channel], &[]);
                self.shown(channel);
                if !soft {
                    self.hung_up(channel, *cause);
                }
            }
            Happening::Destroyed { channel, cause } => {
                self.one(channel, LegFact::Ended(cause_of(*cause)));
            }
            Happening::BlindTransfer { .. } | Happening::AttendedTransfer { .. } => {
                self.transferred(happening);
            }
            Happening::Variable {
                channel,
                name,
                value,
            } => self.variable(channel, name, value),
            Happening::Queued { channel, queue } => {
                self.about(&[channel], &[]);
                self.shown(channel);
                self.call(CallFact::Queue(queue.to_string()));
            }
            Happening::MessageLeft(channel) => {
                self.about(&[channel], &[]);
                self.shown(channel);
                self.message_left(channel);
            }
            Happening::Device { device, state } => self.device(device, state),
            Happening::Nothing => {}
        }
    }

    /// Sets the names under which everything that follows is said.
    pub(super) fn about(&mut self, channels: &[&Channel<'_>], bridges: &[&Bridge<'_>]) {
        self.keys.clear();
        for channel in channels {
            self.key("chan", &channel.id);
        }
        for channel in channels {
            if let Some(linked) = &channel.linked {
                self.key("linked", linked);
            }
        }
        for pair in channels.iter().filter_map(|channel| channel.local_pair()) {
            self.key("local", &pair);
        }
        for id in bridges
            .iter()
            .filter(|bridge| bridge.mixing)
            .flat_map(|b| &b.channels)
        {
            self.key("chan", id);
        }
    }

    fn key(&mut self, kind: &str, id: &str) {
        let key = format!("{kind}:{id}");
        if !id.is_empty() && self.keys.len() < MAX_KEYS && !self.keys.contains(&key) {
            self.keys.push(key);
        }
    }

    pub(super) fn call(&mut self, fact: CallFact) {
        if !self.keys.is_empty() {
            self.signals.push(Signal::call(self.at, &self.keys, fact));
        }
    }

    pub(super) fn leg(&mut self, channel: &Channel<'_>, fact: LegFact) {
        self.leg_at(self.at, channel, fact);
    }

    fn leg_at(&mut self, at: Timestamp, channel: &Channel<'_>, fact: LegFact) {
        self.signals
            .push(Signal::leg(at, &self.keys, &channel.id, fact));
    }

    pub(super) fn kind(&self, channel: &Channel<'_>) -> LegKind {
        self.setting.rules.kind_of(&channel.name)
    }

    fn one(&mut self, channel: &Channel<'_>, fact: LegFact) {
        self.about(&[channel], &[]);
        self.shown(channel);
        self.leg(channel, fact);
    }

    /// What any event says of a channel it names.
    pub(super) fn shown(&mut self, channel: &Channel<'_>) {
        self.shown_as(channel, channel.state == State::Ring);
    }

    /// The same; `as_caller` when the number it shows is its caller's.
    fn shown_as(&mut self, channel: &Channel<'_>, as_caller: bool) {
        let kind = self.kind(channel);
        let origin = channel.state == State::Ring && channel.bears_call().unwrap_or(true);
        let party = self.party(channel, kind, as_caller);
        let since = channel
            .created
            .map_or(self.at, |created| created.min(self.at));
        self.leg_at(
            since,
            channel,
            LegFact::Seen {
                kind,
                origin,
                party,
            },
        );
        if kind == LegKind::Helper {
            return;
        }
        match channel.state {
            State::Ringing => self.leg(channel, LegFact::Rang),
            State::Up => self.leg(channel, LegFact::Answered),
            State::Ring | State::Other => {}
        }
        self.application(channel);
    }

    /// The first sight of a channel. Where the PBX tells whether a number may be shown, it does so
    /// from the second event on: the SIP stack sets it after the channel was made.
    fn created(&mut self, channel: &Channel<'_>) {
        match channel.may_show {
            None => self.shown(channel),
            Some(_) => self.shown_as(channel, false),
        }
    }

    /// Who is on a channel, as far as the channel itself can be believed.
    pub(super) fn party(&self, channel: &Channel<'_>, kind: LegKind, as_caller: bool) -> Party {
        let plan = self.setting.plan;
        match kind {
            LegKind::Agent => {
                let endpoint = channel.endpoint();
                // Originate shows the customer's name on the agent's channel; only with the
                // agent's own number it is the agent's own name.
                let own = channel.caller.number == endpoint;
                Party {
                    extension: Some(endpoint.to_owned()),
                    name: own.then(|| channel.caller_name(plan)).flatten(),
                    ..Party::default()
                }
            }
            LegKind::External if as_caller => self.caller(channel),
            LegKind::External | LegKind::Routing | LegKind::Helper => Party::default(),
        }
    }

    fn caller(&self, channel: &Channel<'_>) -> Party {
        let plan = self.setting.plan;
        Party {
            number: Some(channel.caller_number(plan)),
            name: channel.caller_name(plan),
            ..Party::default()
        }
    }

    /// The first sight of a caller's channel: its extension is what was dialled.
    fn began(&mut self, channel: &Channel<'_>) {
        let exten = channel.exten.as_ref();
        if channel.state != State::Ring || !exten.bytes().any(|byte| byte.is_ascii_digit()) {
            return;
        }
        let number = PhoneNumber::parse(exten, self.setting.plan);
        match self.kind(channel) {
            LegKind::External => self.call(CallFact::Line(number)),
            LegKind::Agent => self.call(CallFact::Dialled(number)),
            LegKind::Routing | LegKind::Helper => {}
        }
    }

    /// A name or number set later, by a look-up in the dialplan.
    fn named(&mut self, channel: &Channel<'_>) {
        let external = self.kind(channel) == LegKind::External;
        if external && channel.state == State::Up && !channel.was_dialled() {
            let party = self.caller(channel);
            self.leg(channel, LegFact::Party(party));
        }
    }

    pub(super) fn joined(&mut self, bridge: &Bridge<'_>, channel: &Channel<'_>) {
        if bridge.mixing {
            self.leg(
                channel,
                LegFact::Joined {
                    bridge: bridge.id.to_string(),
                },
            );
        }
    }

    /// The channel's own party ended it. Of a device that was still being called, only what a
    /// person does there counts: declining, not a device that is busy or out of reach.
    fn hung_up(&mut self, channel: &Channel<'_>, raw: RawCause) {
        if self.kind(channel) == LegKind::Helper {
            return;
        }
        let cause = cause_of(raw);
        let by_person = match channel.state {
            State::Up | State::Ring => true,
            State::Ringing | State::Other => matches!(raw.q850, Some(16 | 21 | 31)),
        };
        if by_person {
            self.leg(channel, LegFact::HungUp);
        }
        let cause = match channel.state {
            State::Ring => Cause {
                reason: Some(Reason::Cancelled),
                ..cause
            },
            State::Ringing | State::Up | State::Other => cause,
        };
        self.leg(channel, LegFact::Cause(cause));
    }
}
