//! Random histories of a store: what can happen, and how often.

use proptest::prelude::*;
use switchhook_domain::call::Status;
use switchhook_domain::cause::{Cause, Reason};
use switchhook_domain::id::{ContactId, IdMint};
use switchhook_domain::media::{
    Message, MessageDirection, MessageStatus, Presence, PresenceReport, Recording, RecordingState,
    Voicemail,
};
use switchhook_domain::moment::MomentStatus;
use switchhook_domain::signal::{CallFact, Direction, Fact, LegFact, LegKind, Party, Signal};
use switchhook_engine::store::{CallQuery, CallSort};
use switchhook_testkit::conformance::world::{START, at, phone};

pub const NUMBERS: [&str; 4] = ["+31612345678", "+32612345678", "+31201234567", "anonymous"];
pub const EXTENSIONS: [&str; 3] = ["201", "202", "203"];

pub const OUTCOMES: [&str; 3] = ["resolved", "no-answer", "abandoned"];

/// The id of one of the contacts of a history.
pub fn contact_id(nth: u8) -> ContactId {
    ContactId(IdMint::new(START, u128::from(nth)).uuid())
}

/// One step of a history. Small numbers are indexes into small sets, so that steps meet.
#[derive(Clone, Debug)]
pub enum Step {
    /// Several changesets handed over at once: they share a group.
    Commit(Vec<Change>),
    /// Time passes.
    Wait(u16),
    /// The reaper looks at what is due.
    Settle,
    PutContact {
        id: u8,
        name: String,
        numbers: Vec<u8>,
    },
    DeleteContact(u8),
    /// Somebody says something of a call, and makes or changes a task with it.
    Say(Vec<Word>),
    Calls {
        app: bool,
        query: Box<CallQuery>,
        pages: u8,
    },
    Contacts {
        app: bool,
        text: Option<String>,
        number: Option<u8>,
        offset: u32,
    },
    Messages {
        app: bool,
        offset: u32,
    },
    Events {
        app: bool,
        after: u64,
        limit: u32,
        types: Vec<u8>,
    },
    Prune {
        notifications: u16,
        events: u16,
        limit: u32,
    },
}

#[derive(Clone, Debug)]
pub struct Change {
    pub app: bool,
    pub second_connection: bool,
    pub verdict: u8,
    pub signals: Vec<Said>,
}

/// What somebody says of one of the calls that lists show, or of none.
#[derive(Clone, Debug)]
pub struct Word {
    pub app: bool,
    pub call: u8,
    pub seen: Option<u32>,
    pub what: u8,
    pub task: Option<(u8, Option<u32>)>,
}

fn word() -> impl Strategy<Value = Word> {
    let seen = || prop::option::weighted(0.4, 0..4_u32);
    let task = prop::option::of((0..4_u8, prop::option::of(1..3_u32)));
    (any::<bool>(), 0..6_u8, seen(), 0..8_u8, task).prop_map(|(app, call, seen, what, task)| Word {
        app,
        call,
        seen,
        what,
        task,
    })
}

/// One signal.
#[derive(Clone, Debug)]
pub struct Said {
    pub keys: Vec<u8>,
    pub at: u16,
    pub leg: u8,
    pub what: u8,
    pub number: u8,
}

fn said() -> impl Strategy<Value = Said> {
    (
        prop::collection::vec(0..6_u8, 1..3),
        0..300_u16,
        0..4_u8,
        0..26_u8,
        0..4_u8,
    )
        .prop_map(|(keys, at, leg, what, number)| Said {
            keys,
            at,
            leg,
            what,
            number,
        })
}

fn change() -> impl Strategy<Value = Change> {
    (
        any::<bool>(),
        prop::bool::weighted(0.2),
        0..8_u8,
        prop::collection::vec(said(), 0..6),
    )
        .prop_map(|(app, second_connection, verdict, signals)| Change {
            app,
            second_connection,
            verdict,
            signals,
        })
}

fn query() -> impl Strategy<Value = CallQuery> {
    let numbers = (
        prop::option::weighted(0.2, 0..3_usize),
        prop::option::weighted(0.2, 0..3_usize),
    );
    let others = (
        prop::option::weighted(0.2, 0..7_usize),
        prop::option::weighted(0.1, any::<bool>()),
        prop::option::weighted(0.1, any::<bool>()),
        prop::option::weighted(0.2, 0..3_usize),
    );
    let range = (
        prop::option::weighted(0.2, 0..300_i64),
        prop::option::weighted(0.2, 0..300_i64),
    );
    let said = (
        prop::option::weighted(0.3, 0..3_usize),
        prop::option::weighted(0.1, 0..OUTCOMES.len()),
        prop::option::weighted(0.1, 0..6_u8),
    );
    let lengths = (
        prop::option::weighted(0.3, 0..3_u8),
        prop::option::weighted(0.2, 0..90_i64),
        prop::option::weighted(0.2, 0..90_i64),
    );
    (
        prop::bool::weighted(0.2),
        numbers,
        others,
        range,
        said,
        lengths,
        1..6_u32,
        0..3_u32,
    )
        .prop_map(
            |(
                open_only,
                (from, to),
                (status, direction, platform, agent),
                range,
                (moment, outcome, contact),
                (sort, least, most),
                limit,
                offset,
            )| {
                CallQuery {
                    open_only,
                    statuses: status.map(|n| Status::ALL[n]).into_iter().collect(),
                    direction: direction.map(|d| {
                        if d {
                            Direction::Inbound
                        } else {
                            Direction::Outbound
                        }
                    }),
                    from_number: from.map(|n| NUMBERS[n].to_owned()),
                    to_number: to.map(|n| NUMBERS[n].to_owned()),
                    platform: platform.map(|p| if p { "dialpad" } else { "asterisk" }.to_owned()),
                    connection_id: None,
                    agent: agent.map(|n| EXTENSIONS[n].to_owned()),
                    agent_id: None,
                    crm_user_id: None,
                    moment: moment.map(|n| MomentStatus::ALL[n]),
                    outcome: outcome.map(|n| OUTCOMES[n].to_owned()),
                    contact_id: contact.map(contact_id),
                    since: range.0.map(|s| at(s * 1_000)),
                    until: range.1.map(|s| at(s * 1_000)),
                    keys: None,
                    min_duration: least,
                    max_duration: most,
                    sort: match sort {
                        None => CallSort::Newest,
                        Some(0) => CallSort::Oldest,
                        Some(1) => CallSort::Longest,
                        Some(_) => CallSort::Shortest,
                    },
                    limit,
                    offset,
                    after: None,
                }
            },
        )
}

/// One step.
pub fn step() -> impl Strategy<Value = Step> {
    let number = prop::option::of(0..3_u8);
    prop_oneof![
        8 => prop::collection::vec(change(), 1..6).prop_map(Step::Commit),
        2 => (0..900_u16).prop_map(Step::Wait),
        1 => Just(Step::Settle),
        4 => prop::collection::vec(word(), 1..4).prop_map(Step::Say),
        1 => (0..6_u8, "[A-Za-zØé ]{1,6}", prop::collection::vec(0..4_u8, 0..3))
            .prop_map(|(id, name, numbers)| Step::PutContact { id, name, numbers }),
        1 => (0..6_u8).prop_map(Step::DeleteContact),
        4 => (any::<bool>(), query().prop_map(Box::new), 1..6_u8)
            .prop_map(|(app, query, pages)| Step::Calls { app, query, pages }),
        1 => (any::<bool>(), prop::option::of("[a-zø]{0,2}"), number, 0..3_u32)
            .prop_map(|(app, text, number, offset)| Step::Contacts { app, text, number, offset }),
        1 => (any::<bool>(), 0..3_u32).prop_map(|(app, offset)| Step::Messages { app, offset }),
        2 => (any::<bool>(), 0..40_u64, 1..20_u32, prop::collection::vec(0..20_u8, 0..3))
            .prop_map(|(app, after, limit, types)| Step::Events { app, after, limit, types }),
        1 => (0..900_u16, 0..900_u16, 0..8_u32).prop_map(|(notifications, events, limit)| {
            Step::Prune { notifications, events, limit }
        }),
    ]
}

impl Said {
    pub fn signal(&self) -> Signal {
        let keys: Vec<String> = self.keys.iter().map(|key| format!("key-{key}")).collect();
        let when = at(i64::from(self.at) * 1_000);
        let leg = format!("leg-{}", self.leg);
        let number = phone(NUMBERS[usize::from(self.number)]);
        let extension = EXTENSIONS[usize::from(self.leg) % 3].to_owned();
        let cause = Cause::reason(Reason::Normal);
        let party = Party {
            number: Some(number.clone()),
            ..Party::default()
        };
        let agent = Party {
            extension: Some(extension.clone()),
            ..Party::default()
        };
        let call = |fact| Signal::call(when, &keys, fact);
        let of_leg = |fact| Signal::leg(when, &keys, &leg, fact);
        let alone = |fact| Signal {
            at: when,
            keys: Vec::new(),
            fact,
        };
        match self.what {
            0 | 1 => of_leg(LegFact::Seen {
                kind: LegKind::Agent,
                origin: false,
                party: agent,
            }),
            2 => of_leg(LegFact::Seen {
                kind: LegKind::External,
                origin: true,
                party,
            }),
            3 | 4 => of_leg(LegFact::Rang),
            5 | 6 => of_leg(LegFact::Answered),
            7 | 8 => of_leg(LegFact::Ended(cause)),
            9 => of_leg(LegFact::Held),
            10 => of_leg(LegFact::Resumed),
            11 | 12 => call(CallFact::Direction(Direction::Inbound)),
            13 => call(CallFact::Direction(Direction::Outbound)),
            14 | 15 => call(CallFact::Remote(party)),
            16 => call(CallFact::Line(number)),
            17 => call(CallFact::Ended { cause, by: None }),
            18 => call(CallFact::Linked),
            19 => alone(Fact::Snapshot {
                live: [leg].into(),
                gap_from: None,
            }),
            20 => alone(Fact::Message(Box::new(Message {
                external_id: format!("m-{}", self.keys[0]),
                direction: MessageDirection::Outbound,
                from: number,
                to: Vec::new(),
                text: None,
                user_id: None,
                status: [MessageStatus::Pending, MessageStatus::Delivered]
                    [usize::from(self.leg % 2)],
                failure: None,
                sent_at: when,
            }))),
            22 | 23 => call(CallFact::Recording {
                id: format!("r-{}", self.leg % 3),
                recording: Recording {
                    state: RecordingState::ALL[usize::from(self.number)],
                    url: (self.leg > 1).then(|| format!("https://example.com/{}", self.leg)),
                    expires_at: (self.what == 23).then_some(when),
                    passed: (self.number == 0).then_some(when),
                    ..Recording::default()
                },
            }),
            24 => call(CallFact::Voicemail {
                id: format!("v-{}", self.leg % 2),
                voicemail: Voicemail {
                    left_at: (self.number > 1).then_some(when),
                    ..Voicemail::default()
                },
            }),
            _ => alone(Fact::Presence(PresenceReport {
                extension: Some(extension),
                user_id: None,
                email: None,
                presence: [Presence::Available, Presence::Offline][usize::from(self.number % 2)],
            })),
        }
    }
}
