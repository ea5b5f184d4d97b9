//! Contact moments: when they open, what the call alone says of them, and that what people have
//! said stays, whatever the platform says afterwards and in whichever order.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use switchhook_domain::call::{Call, ContactView, Status};
use switchhook_domain::cause::Cause;
use switchhook_domain::contact::{Certainty, Match, Matches};
use switchhook_domain::event::EventType;
use switchhook_domain::fold::{
    Directory, EmptyDirectory, Fold, FoldContext, Folded, LOST_AFTER, Loaded,
};
use switchhook_domain::id::{CallId, ConnectionId, ContactId, IdMint, TaskId};
use switchhook_domain::moment::{
    Author, AuthorKind, CallDeed, Deed, DeedError, MomentStatus, MomentText, MomentView,
};
use switchhook_domain::phone::PhoneNumber;
use switchhook_domain::replay::Replay;
use switchhook_domain::signal::{CallFact, Direction, LegFact, LegKind, Outcome, Party, Signal};
use uuid::Uuid;

use super::{at, number, signals};

fn keys() -> Vec<String> {
    vec!["c".to_owned()]
}

fn anna() -> Author {
    Author {
        kind: AuthorKind::Agent,
        id: Some(Uuid::from_u128(1)),
        name: Some("Anna".to_owned()),
    }
}

fn said(subject: &str, outcome: &str) -> MomentText {
    MomentText {
        subject: Some(subject.to_owned()),
        outcome: Some(outcome.to_owned()),
        notes: None,
    }
}

fn does(call: CallId, expected: Option<u32>, deed: Deed) -> CallDeed {
    CallDeed {
        call,
        by: anna(),
        expected,
        deed,
    }
}

/// A call in this direction of which an agent has a leg; so far nothing has rung.
fn begins(direction: Direction) -> Vec<Signal> {
    let outside = Party {
        number: Some(number("+31612345678")),
        ..Party::default()
    };
    let agent = Party {
        extension: Some("100".to_owned()),
        ..Party::default()
    };
    let kind = match direction {
        Direction::Internal => LegKind::Agent,
        Direction::Inbound | Direction::Outbound => LegKind::External,
    };
    let inbound = direction == Direction::Inbound;
    let seen = |kind, origin, party| LegFact::Seen {
        kind,
        origin,
        party,
    };
    vec![
        Signal::call(at(0), &keys(), CallFact::Direction(direction)),
        Signal::call(at(0), &keys(), CallFact::Started),
        Signal::call(at(0), &keys(), CallFact::Remote(outside.clone())),
        Signal::leg(at(0), &keys(), "other", seen(kind, inbound, outside)),
        Signal::leg(
            at(0),
            &keys(),
            "agent",
            seen(LegKind::Agent, !inbound, agent),
        ),
    ]
}

fn leg(ms: i64, leg: &str, fact: LegFact) -> Signal {
    Signal::leg(at(ms), &keys(), leg, fact)
}

/// Everybody is gone, for this cause.
fn ends(cause: Cause) -> Vec<Signal> {
    let ended = CallFact::Ended { cause, by: None };
    vec![
        leg(9_000, "agent", LegFact::Ended(cause)),
        leg(9_000, "other", LegFact::Ended(cause)),
        Signal::call(at(9_000), &keys(), ended),
    ]
}

/// The legs that ring and then answer, in a call of that direction.
fn rung(direction: Direction) -> &'static str {
    if direction == Direction::Inbound {
        "agent"
    } else {
        "other"
    }
}

fn hear(replay: &mut Replay, signals: &[Signal]) {
    replay.notification(at(10_000), signals);
}

fn only(replay: Replay) -> (Call, Vec<(EventType, Value)>) {
    let (mut calls, events) = replay.finish();
    calls.retain(|call| call.merged_into.is_none());
    assert_eq!(calls.len(), 1, "{calls:#?}");
    let events = events.into_iter().map(|event| {
        let data = serde_json::from_str(event.data.get()).unwrap();
        (event.kind, data)
    });
    (calls.remove(0), events.collect())
}

fn moment(call: &Call) -> &MomentView {
    call.contact_moment.as_ref().unwrap()
}

fn count(events: &[(EventType, Value)], kind: EventType) -> usize {
    events.iter().filter(|(of, _)| *of == kind).count()
}

fn hung_up() -> Cause {
    Cause::q850(16)
}

type Course = (
    &'static str,
    Direction,
    Vec<Signal>,
    MomentStatus,
    Option<&'static str>,
    Option<&'static str>,
);

/// Calls, and the status, outcome and suggestion that their course alone gives.
fn courses() -> Vec<Course> {
    use Direction::{Inbound, Internal, Outbound};
    use MomentStatus::{Completed, DispositionPending, Pending};
    let rings = |direction| vec![leg(1_000, rung(direction), LegFact::Rang)];
    let talks = |direction| {
        let answered = [
            leg(2_000, rung(direction), LegFact::Answered),
            leg(
                2_000,
                if direction == Inbound {
                    "other"
                } else {
                    "agent"
                },
                LegFact::Answered,
            ),
        ];
        [rings(direction), answered.to_vec()].concat()
    };
    let over = |course: Vec<Signal>| [course, ends(hung_up())].concat();
    let declined = [rings(Inbound), ends(Cause::q850(21))].concat();
    let voicemail = Signal::call(at(3_000), &keys(), CallFact::VoicemailReached);
    let missed = Signal::call(at(9_000), &keys(), CallFact::Outcome(Outcome::Missed));
    vec![
        ("ringing", Inbound, rings(Inbound), Pending, None, None),
        ("talking", Inbound, talks(Inbound), Pending, None, None),
        (
            "talked",
            Inbound,
            over(talks(Inbound)),
            DispositionPending,
            None,
            None,
        ),
        (
            "missed",
            Inbound,
            over([rings(Inbound), vec![missed]].concat()),
            Completed,
            Some("abandoned"),
            None,
        ),
        ("declined", Inbound, declined, Completed, None, None),
        (
            "voicemail",
            Inbound,
            over([rings(Inbound), vec![voicemail]].concat()),
            DispositionPending,
            None,
            Some("callback"),
        ),
        (
            "called",
            Outbound,
            over(talks(Outbound)),
            DispositionPending,
            None,
            None,
        ),
        (
            "no answer",
            Outbound,
            over(rings(Outbound)),
            DispositionPending,
            None,
            Some("no-answer"),
        ),
        (
            "never rang",
            Outbound,
            ends(hung_up()),
            Completed,
            Some("no-answer"),
            None,
        ),
        (
            "colleagues",
            Internal,
            over(talks(Internal)),
            Completed,
            None,
            None,
        ),
    ]
}

#[test]
fn a_call_says_what_is_left_to_say() {
    use MomentStatus::{Completed, Pending};
    for (name, direction, course, status, outcome, suggested) in courses() {
        let mut replay = Replay::new("test", "NL");
        hear(&mut replay, &begins(direction));
        hear(&mut replay, &course);
        let lasts = status == Pending;
        // Not finished: that would settle what lasts.
        let call = replay.calls().pop().unwrap();
        assert_eq!(
            lasts,
            !call.status.is_terminal(),
            "{name}: {:?}",
            call.status
        );
        let view = moment(&call);
        assert_eq!((view.id, view.version), (call.id, 0), "{name}");
        assert_eq!(view.status, status, "{name}: {:?}", call.status);
        assert_eq!(view.outcome.as_deref(), outcome, "{name}");
        assert_eq!(view.suggested_outcome.as_deref(), suggested, "{name}");
        let by = (status == Completed).then_some(Author::SYSTEM);
        assert_eq!(view.completed_by, by, "{name}");
        assert_eq!(view.completed_at.is_some(), by.is_some(), "{name}");
        let (_, events) = replay.finish();
        let completed = EventType::ContactMomentCompleted;
        let told = events.iter().filter(|event| event.kind == completed);
        let closed_by_call = moment(&call).status == Completed || lasts;
        assert!(told.count() <= usize::from(closed_by_call), "{name}");
    }
}

/// What was given up as missed had been answered after all: it waits for a person, whose word is
/// told like any other.
#[test]
fn late_truth_opens_again_what_the_call_had_closed() {
    let mut replay = Replay::new("test", "NL");
    hear(&mut replay, &begins(Direction::Inbound));
    hear(&mut replay, &[leg(1_000, "agent", LegFact::Rang)]);
    hear(&mut replay, &ends(hung_up()));
    let call = replay.calls().pop().unwrap();
    assert_eq!(moment(&call).outcome.as_deref(), Some("abandoned"));
    let answered = [
        leg(2_000, "agent", LegFact::Answered),
        leg(2_000, "other", LegFact::Answered),
    ];
    hear(&mut replay, &answered);
    let call = replay.calls().pop().unwrap();
    assert_eq!(call.status, Status::Ended);
    assert_eq!(moment(&call).status, MomentStatus::DispositionPending);
    assert_eq!(
        (moment(&call).outcome.as_ref(), &moment(&call).completed_by),
        (None, &None)
    );
    let close = does(
        call.id,
        Some(0),
        Deed::Complete(said("Order", "resolved"), None),
    );
    replay.deed(at(20_000), &close).unwrap();
    let (call, events) = only(replay);
    assert_eq!(moment(&call).completed_by, Some(anna()));
    let completed = EventType::ContactMomentCompleted;
    assert_eq!(count(&events, EventType::ContactMomentOpened), 1);
    let by = events.iter().filter(|(kind, _)| *kind == completed);
    let by: Vec<&Value> = by
        .map(|(_, data)| &data["contact_moment"]["completed_by"]["kind"])
        .collect();
    assert_eq!(by, ["system", "agent"]);
}

#[test]
fn nobody_overwrites_what_they_have_not_seen() {
    let mut replay = Replay::new("test", "NL");
    hear(&mut replay, &begins(Direction::Inbound));
    let id = replay.calls()[0].id;
    let task = Some(TaskId(Uuid::from_u128(4)));
    let draft = |subject: &str| Deed::Draft(said(subject, "resolved"));
    let close = |subject: &str, task| Deed::Complete(said(subject, "callback"), task);
    for (seen, deed, result, version) in [
        (Some(1), draft("a"), Err(DeedError::Changed), 0),
        (Some(0), draft("a"), Ok(()), 1),
        (Some(0), draft("a"), Ok(()), 1),
        (Some(0), draft("b"), Err(DeedError::Changed), 1),
        (None, draft("b"), Ok(()), 2),
        (Some(2), Deed::WrapUp(Some(at(1))), Ok(()), 3),
        (Some(2), Deed::WrapUp(Some(at(1))), Ok(()), 3),
        (Some(2), Deed::WrapUp(None), Err(DeedError::Changed), 3),
        (Some(3), close("b", task), Ok(()), 4),
        (Some(3), close("b", task), Ok(()), 4),
        (Some(3), close("b", None), Ok(()), 4),
        (None, draft("b"), Err(DeedError::Changed), 4),
        (Some(3), close("c", None), Err(DeedError::Changed), 4),
        (Some(4), close("c", None), Ok(()), 5),
        (None, Deed::Contact(None), Ok(()), 6),
        (None, Deed::Contact(None), Ok(()), 6),
    ] {
        let done = replay.deed(at(20_000), &does(id, seen, deed.clone()));
        assert_eq!(done, result, "{deed:?}");
        let call = replay.calls().pop().unwrap();
        assert_eq!(moment(&call).version, version, "{deed:?}");
        let kept = moment(&call).task_id;
        assert_eq!(
            kept,
            task.filter(|_| version >= 4),
            "a correction keeps the task"
        );
    }
    let unknown = CallId(Uuid::nil());
    let nowhere = replay.deed(at(20_000), &does(unknown, None, draft("a")));
    assert_eq!(nowhere, Err(DeedError::NotFound));
    let (_, events) = only(replay);
    assert_eq!(count(&events, EventType::ContactMomentOpened), 1);
    assert_eq!(count(&events, EventType::ContactMomentCompleted), 1);
}

/// Finds Jan, whoever calls.
struct Jan;

impl Directory for Jan {
    fn find(&self, _: &PhoneNumber) -> Matches {
        Matches {
            best: vec![Match {
                id: ContactId(Uuid::from_u128(1)),
                name: "Jan".to_owned(),
                organisation: None,
                note: None,
                url: None,
                certainty: Certainty::Certain,
                percent: 100,
                why: String::new(),
            }],
            total: 1,
        }
    }
}

fn piet() -> ContactView {
    ContactView {
        id: ContactId(Uuid::from_u128(2)),
        name: "Piet".to_owned(),
        organisation: None,
        note: None,
        url: None,
        certainty: Certainty::Certain,
        percent: 100,
        why: String::new(),
        total: 1,
    }
}

#[test]
fn the_directory_does_not_take_back_who_a_person_chose() {
    for chosen in [Some(piet()), None] {
        let mut replay = Replay::new("test", "NL");
        replay.notification_with(at(0), &begins(Direction::Inbound), &Jan);
        let call = replay.calls().pop().unwrap();
        assert_eq!(call.contact.unwrap().name, "Jan");
        let choose = does(call.id, Some(0), Deed::Contact(chosen.clone()));
        replay.deed(at(1_000), &choose).unwrap();
        let other = Party {
            number: Some(number("+31687654321")),
            ..Party::default()
        };
        let corrected = Signal::call(at(500), &keys(), CallFact::Remote(other));
        replay.notification_with(at(2_000), &[corrected], &Jan);
        replay.notification_with(at(10_000), &ends(hung_up()), &Jan);
        let (call, events) = only(replay);
        assert_eq!(call.contact, chosen);
        assert!(
            count(&events, EventType::CallUpdated) > 0,
            "the choice was told"
        );
    }
}

fn keyed(key: &str, started: i64) -> Vec<Signal> {
    let mut signals = begins(Direction::Inbound);
    for signal in &mut signals {
        signal.keys = vec![key.to_owned()];
        signal.at = at(started);
    }
    signals
}

/// Both parts had been written on: nothing of it is lost, and whoever writes on has to look again.
#[test]
fn two_calls_that_are_one_keep_what_was_said_of_both() {
    let mut replay = Replay::new("test", "NL");
    hear(&mut replay, &keyed("c", 0));
    hear(&mut replay, &keyed("d", 100));
    let ids: Vec<CallId> = replay.calls().iter().map(|call| call.id).collect();
    let notes = |notes: &str| MomentText {
        notes: Some(notes.to_owned()),
        ..MomentText::default()
    };
    let draft = does(ids[0], None, Deed::Draft(notes("first")));
    replay.deed(at(1_000), &draft).unwrap();
    let chosen = does(ids[0], None, Deed::Contact(Some(piet())));
    replay.deed(at(1_000), &chosen).unwrap();
    let mut last = said("Order", "resolved");
    last.notes = Some("second".to_owned());
    let close = does(ids[1], None, Deed::Complete(last, None));
    replay.deed(at(2_000), &close).unwrap();
    let nobody = does(ids[1], None, Deed::Contact(None));
    replay.deed(at(2_000), &nobody).unwrap();
    let both = ["c".to_owned(), "d".to_owned()];
    hear(
        &mut replay,
        &[Signal::call(at(3_000), &both, CallFact::Linked)],
    );
    let (call, events) = only(replay);
    let view = moment(&call);
    assert_eq!((view.status, view.version), (MomentStatus::Completed, 3));
    assert_eq!(view.subject.as_deref(), Some("Order"));
    assert_eq!(view.notes.as_deref(), Some("second\n\nfirst"));
    assert_eq!(
        call.contact,
        Some(piet()),
        "its own choice counts before the other's"
    );
    // Of the other call, and of this one, which is another to whoever listens.
    assert_eq!(count(&events, EventType::ContactMomentCompleted), 2);
}

/// Folds without a replay, to begin with a state that knows of no contact moment.
fn folded(loaded: Loaded, history: bool, act: impl FnOnce(&mut Fold<'_>)) -> Folded {
    let mint = IdMint::new(at(0), 1);
    let context = FoldContext {
        connection_id: ConnectionId(Uuid::nil()),
        platform: "test",
        country: "NL",
        now: at(30_000),
        mint: &mint,
        directory: &EmptyDirectory,
        roster: None,
    };
    let mut fold = Fold::new(context, loaded);
    if history {
        fold = fold.of_history();
    }
    act(&mut fold);
    fold.finish()
}

#[test]
fn what_was_over_before_has_a_contact_moment_only_when_somebody_speaks_of_it() {
    let whole = [begins(Direction::Inbound), ends(hung_up())].concat();
    let old = folded(Loaded::default(), true, |fold| {
        whole.iter().for_each(|signal| fold.signal(signal));
    });
    assert!(old.events.is_empty());
    let mut state = old.calls[0].state.clone();
    assert_eq!(state.moment, None);
    let loaded = |state| Loaded {
        calls: vec![state],
        ..Loaded::default()
    };
    let queue = Signal::call(at(0), &keys(), CallFact::Queue("support".to_owned()));
    let later = folded(loaded(state.clone()), false, |fold| fold.signal(&queue));
    assert_eq!(later.calls[0].call.contact_moment, None);
    let close = does(
        state.id,
        Some(0),
        Deed::Complete(said("Order", "resolved"), None),
    );
    let spoken = folded(loaded(state.clone()), false, |fold| {
        fold.deed(&close).unwrap();
    });
    let kinds: Vec<EventType> = spoken.events.iter().map(|event| event.kind).collect();
    let told = [
        EventType::ContactMomentOpened,
        EventType::ContactMomentCompleted,
    ];
    // Besides, such a call is told to be final as soon as anything is told of it.
    assert!(kinds.ends_with(&told), "{kinds:?}");
    state.merged_into = Some(CallId(Uuid::nil()));
    folded(loaded(state), false, |fold| {
        assert_eq!(fold.deed(&close), Err(DeedError::NotFound));
    });
}

/// Where a call has gone.
fn follow(calls: &BTreeMap<CallId, Call>, mut id: CallId) -> CallId {
    while let Some(next) = calls.get(&id).and_then(|call| call.merged_into) {
        id = next;
    }
    id
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Somebody closes whatever is shown half-way; the platform goes on speaking.
    #[test]
    fn what_was_said_stays_whatever_comes_later(
        before in signals(), after in signals(), again in any::<bool>(),
    ) {
        let mut replay = Replay::new("test", "NL");
        let tell = |replay: &mut Replay, signals: &[Signal]| {
            for signal in signals {
                replay.notification(at(120_000), std::slice::from_ref(signal));
            }
        };
        tell(&mut replay, &before);
        let shown = replay.calls().into_iter().filter(|call| call.contact_moment.is_some());
        let shown: Vec<CallId> = shown.map(|call| call.id).collect();
        for id in &shown {
            let close = does(*id, None, Deed::Complete(said(&id.to_string(), "resolved"), None));
            replay.deed(at(121_000), &close).unwrap();
        }
        tell(&mut replay, &after);
        if again {
            tell(&mut replay, &before);
        }
        replay.settle(LOST_AFTER);
        let (calls, events) = replay.finish();
        let calls: BTreeMap<CallId, Call> = calls.into_iter().map(|call| (call.id, call)).collect();
        for id in &shown {
            let Some(left) = calls.get(&follow(&calls, *id)) else { continue };
            let view = moment(left);
            prop_assert_eq!(view.status, MomentStatus::Completed);
            prop_assert_eq!(view.completed_by.as_ref(), Some(&anna()));
            prop_assert_eq!(view.outcome.as_deref(), Some("resolved"));
            prop_assert!(view.version >= 1);
            let subject = view.subject.clone().unwrap_or_default();
            prop_assert!(shown.iter().any(|one| one.to_string() == subject));
        }
        let mut told = BTreeMap::new();
        for event in &events {
            let data: Value = serde_json::from_str(event.data.get()).unwrap();
            let by = match event.kind {
                EventType::ContactMomentOpened => "opened".to_owned(),
                EventType::ContactMomentCompleted => {
                    data["contact_moment"]["completed_by"]["kind"].to_string()
                }
                _ => continue,
            };
            let times = told.entry((event.call_id, by.clone())).or_insert(0);
            *times += 1;
            prop_assert!(*times == 1, "{} twice", by);
            let opened = told.contains_key(&(event.call_id, "opened".to_owned()));
            prop_assert!(opened, "{} before it was opened", by);
        }
        for call in calls.values().filter(|call| call.merged_into.is_none()) {
            let Some(view) = &call.contact_moment else { continue };
            prop_assert_eq!(view.id, call.id);
            let lasts = !call.status.is_terminal() && view.completed_by.is_none();
            prop_assert_eq!(view.status == MomentStatus::Pending, lasts);
        }
    }
}
