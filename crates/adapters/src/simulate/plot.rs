//! What happens in a simulated call, told as platforms with flat events see it: one line of
//! beats. Not here: how any of them writes a beat.

use super::Scenario;
use super::cast::{CallSeed, Chance, Colleague};

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The call begins.
    Begin,
    /// A device rings.
    Ring,
    /// Somebody picks up.
    Answer,
    /// The agent puts the customer on hold.
    Hold,
    /// And takes them back.
    Resume,
    /// The agent hands the call to the colleague, who takes it at once.
    Transfer,
    /// A device stops ringing because another was quicker.
    Stop,
    /// It is over.
    End,
    /// A message was left.
    Voicemail,
    /// A recording can be heard.
    Recording,
}

/// Why it was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Normal,
    NoAnswer,
    Busy,
    Rejected,
}

/// One beat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat<'a> {
    /// When, in milliseconds since the start.
    pub(super) at: u64,
    pub(super) what: What,
    /// The agent it is about.
    pub(super) who: &'a Colleague,
}

/// A whole call.
#[derive(Clone, Debug)]
pub(super) struct Plot<'a> {
    pub(super) outbound: bool,
    pub(super) withheld: bool,
    pub(super) beats: Vec<Beat<'a>>,
    pub(super) answered: Option<u64>,
    pub(super) ended: u64,
    pub(super) why: Why,
    /// Who was on the call last.
    pub(super) last: &'a Colleague,
}

impl Plot<'_> {
    /// Talk in milliseconds.
    pub(super) fn talk(&self) -> u64 {
        self.answered.map_or(0, |at| self.ended.saturating_sub(at))
    }
}

struct Line<'a> {
    seed: &'a CallSeed,
    chance: Chance,
    now: u64,
    beats: Vec<Beat<'a>>,
}

impl<'a> Line<'a> {
    fn beat(&mut self, what: What, who: &'a Colleague) {
        let at = self.now;
        self.beats.push(Beat { at, what, who });
    }

    fn after(&mut self, from: u64, to: u64) {
        let ms = self.chance.within(from, to);
        // Two beats are never at the same moment, nor in one second: some platforms know no more.
        self.now += self.seed.scaled(ms).max(1_100);
    }
}

/// The plot of a scenario; `None` where there is no call.
pub(super) fn plot<'a>(scenario: Scenario, seed: &'a CallSeed) -> Option<Plot<'a>> {
    let mut line = Line {
        seed,
        chance: seed.chance(7),
        now: 0,
        beats: Vec::new(),
    };
    let (agent, colleague) = (&seed.agent, &seed.colleague);
    let outbound = matches!(
        scenario,
        Scenario::OutboundAnswered | Scenario::OutboundNoAnswer
    );
    line.beat(What::Begin, agent);
    let rings = !matches!(scenario, Scenario::Busy | Scenario::Rejected);
    if rings {
        line.after(1_200, 2_500);
        line.beat(What::Ring, agent);
    }
    let mut answered = None;
    let mut last = agent;
    let why = match scenario {
        Scenario::Sms | Scenario::Presence => return None,
        Scenario::Missed | Scenario::Voicemail | Scenario::OutboundNoAnswer => Why::NoAnswer,
        Scenario::Busy => Why::Busy,
        Scenario::Rejected => Why::Rejected,
        _ => {
            if scenario == Scenario::RingGroup {
                line.beat(What::Ring, colleague);
                last = colleague;
            }
            line.after(3_000, 9_000);
            answered = Some(line.now);
            line.beat(What::Answer, last);
            Why::Normal
        }
    };
    match scenario {
        Scenario::RingGroup => line.beat(What::Stop, agent),
        Scenario::Hold => {
            line.after(15_000, 40_000);
            line.beat(What::Hold, agent);
            line.after(10_000, 30_000);
            line.beat(What::Resume, agent);
        }
        Scenario::Transfer => {
            line.after(15_000, 60_000);
            line.beat(What::Transfer, agent);
            last = colleague;
        }
        _ => {}
    }
    line.after(18_000, 60_000);
    line.beat(What::End, last);
    let ended = line.now;
    match scenario {
        Scenario::Voicemail => {
            line.after(20_000, 40_000);
            line.beat(What::Voicemail, agent);
        }
        Scenario::Recording => {
            line.after(20_000, 40_000);
            line.beat(What::Recording, agent);
        }
        _ => {}
    }
    Some(Plot {
        outbound,
        withheld: scenario == Scenario::Withheld,
        beats: line.beats,
        answered,
        ended,
        why,
        last,
    })
}
