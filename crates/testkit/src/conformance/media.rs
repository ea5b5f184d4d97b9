//! Recordings and voicemails as entities beside their calls.

use std::sync::Arc;

use jiff::SignedDuration;
use switchhook_domain::event::EventType;
use switchhook_domain::id::{RecordingId, VoicemailId};
use switchhook_domain::media::{Recording, RecordingState, Voicemail};
use switchhook_domain::signal::{CallFact, Signal};
use switchhook_engine::ports::Clock;
use switchhook_engine::store::{
    MediaCursor, RecordingCheck, RecordingQuery, Store, StoreError, StoredRecording, VoicemailQuery,
};

use super::world::{Talk, World, at};

fn recording(talk: &Talk, millis: i64, id: &str, url: Option<&str>) -> Signal {
    let recording = Recording {
        state: match url {
            None => RecordingState::Pending,
            Some(_) => RecordingState::Available,
        },
        url: url.map(str::to_owned),
        started_at: Some(talk.begins + SignedDuration::from_millis(4_000)),
        duration_ms: url.map(|_| 55_600),
        ..Recording::default()
    };
    said(talk, millis, id, recording)
}

fn said(talk: &Talk, millis: i64, id: &str, recording: Recording) -> Signal {
    let id = id.to_owned();
    let fact = CallFact::Recording { id, recording };
    Signal::call(at(millis), &talk.keys(), fact)
}

fn voicemail(talk: &Talk, millis: i64, id: &str, transcript: Option<&str>) -> Signal {
    let voicemail = Voicemail {
        url: Some(format!("https://example.com/{id}.mp3")),
        transcript: transcript.map(str::to_owned),
        duration_ms: Some(12_300),
        left_at: Some(at(millis)),
    };
    let id = id.to_owned();
    let fact = CallFact::Voicemail { id, voicemail };
    Signal::call(at(millis), &talk.keys(), fact)
}

async fn recordings(world: &World, query: RecordingQuery) -> (Vec<StoredRecording>, u64) {
    let limit = query.limit.max(50);
    let query = RecordingQuery { limit, ..query };
    let page = world.store.recordings(world.app.id, &query).await.unwrap();
    (page.items, page.total)
}

/// A recording is there with its call, changes with it, and a repetition changes nothing.
pub async fn a_recording_follows_its_call(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let talk = Talk::new("a", "+31612345678", "201", 0);
    world.hear(talk.rings()).await;
    let all = RecordingQuery::default;
    assert_eq!(recordings(&world, all()).await, (Vec::new(), 0));
    let announced = recording(&talk, 5_000, "rec-1", None);
    world.hear(vec![announced.clone()]).await;
    let (list, total) = recordings(&world, all()).await;
    assert_eq!((list.len(), total), (1, 1));
    let first = &list[0];
    let call = world.calls().await[0].clone();
    let record = &first.record;
    assert_eq!(record.id, RecordingId::of(world.connection.id, "rec-1"));
    assert_eq!(
        (record.call_id, record.state, record.external_id.as_str()),
        (call.id, RecordingState::Pending, "rec-1")
    );
    assert_eq!((record.sort_at, first.checked_at), (at(4_000), None));
    assert_eq!((first.created_at, first.updated_at), (at(0), at(0)));
    assert_eq!(first.due_at, Some(at(5 * 60_000)));

    // What says nothing new about it leaves it alone, and so does the rest of the call.
    world.clock.set(at(1_000));
    assert!(world.hear(vec![announced]).await.is_empty());
    world.hear(talk.answered()).await;
    world.hear(talk.ends()).await;
    assert_eq!(recordings(&world, all()).await.0, list);

    world.clock.set(at(70_000));
    let ready = recording(
        &talk,
        65_000,
        "rec-1",
        Some("https://example.com/rec-1.mp3"),
    );
    let told = world.hear(vec![ready.clone(), ready.clone()]).await;
    assert_eq!(told, [EventType::RecordingAvailable]);
    assert!(world.hear(vec![ready]).await.is_empty());
    let id = first.record.id;
    let found = store.recording(world.app.id, id).await.unwrap().unwrap();
    assert_eq!(found.record.state, RecordingState::Available);
    assert_eq!((found.created_at, found.updated_at), (at(0), at(70_000)));
    assert_eq!(found.due_at, Some(at(70_000 + 24 * 3_600_000)));
    let view = &world.calls().await[0].recordings[0];
    assert_eq!(view.url, found.record.known.url);

    assert_eq!(store.recording(other.app.id, id).await.unwrap(), None);
    assert_eq!(recordings(&other, all()).await, (Vec::new(), 0));
    let foreign = RecordingQuery {
        call_id: Some(call.id),
        ..all()
    };
    assert_eq!(recordings(&other, foreign).await, (Vec::new(), 0));
}

/// When calls are joined their recordings are of the one that is left.
pub async fn recordings_move_when_calls_are_joined(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let first = Talk::new("a", "+31612345678", "201", 0);
    let second = Talk::new("b", "+31612345678", "202", 1_000);
    world.hear(first.rings()).await;
    world.hear(second.rings()).await;
    let url = Some("https://example.com/a.mp3");
    // The same name on both sides, and one on the side that goes.
    world.hear(vec![recording(&first, 1, "both", url)]).await;
    world.hear(vec![recording(&second, 1, "both", url)]).await;
    world.hear(vec![recording(&second, 2, "second", url)]).await;
    world.hear(vec![voicemail(&second, 3, "vm", None)]).await;
    world.hear(vec![first.linked(&second)]).await;
    let left = world.calls().await;
    assert_eq!(left.len(), 1);
    let (list, _) = recordings(&world, RecordingQuery::default()).await;
    assert_eq!(list.len(), 2);
    assert!(list.iter().all(|found| found.record.call_id == left[0].id));
    // Hearing of them under the old name changes the same rows.
    let gone = Recording {
        state: RecordingState::Gone,
        ..Recording::default()
    };
    world.hear(vec![said(&second, 9, "second", gone)]).await;
    let of = RecordingQuery {
        call_id: Some(left[0].id),
        states: vec![RecordingState::Gone],
        ..RecordingQuery::default()
    };
    let (list, total) = recordings(&world, of).await;
    assert_eq!((list[0].record.external_id.as_str(), total), ("second", 1));
    let query = VoicemailQuery::default();
    let page = store.voicemails(world.app.id, &query).await.unwrap();
    assert_eq!(page.items[0].record.call_id, left[0].id);
}

/// A link that ran out is told so by its expiry, and a fresh one is good again.
pub async fn a_link_runs_out_and_comes_back(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let talk = Talk::new("a", "+31612345678", "201", 0);
    let link = |url: &str, expires| Recording {
        state: RecordingState::Available,
        url: Some(url.to_owned()),
        expires_at: Some(at(expires)),
        ..Recording::default()
    };
    let state = || async {
        let (list, _) = recordings(&world, RecordingQuery::default()).await;
        let view = world.calls().await[0].recordings[0].clone();
        assert_eq!(list[0].record.state, view.state);
        assert_eq!(list[0].record.expires_at, view.expires_at);
        (view.state, list[0].due_at)
    };
    world.hear(talk.rings()).await;
    world
        .hear(vec![said(&talk, 10, "r", link("b", 3_600_000))])
        .await;
    let before_its_end = Some(at(3_600_000 - 600_000));
    assert_eq!(state().await, (RecordingState::Available, before_its_end));
    let over = Recording {
        passed: Some(at(3_600_000)),
        ..Recording::default()
    };
    let told = world.hear(vec![said(&talk, 3_600_000, "r", over)]).await;
    assert_eq!(told, [EventType::CallUpdated]);
    assert_eq!(state().await, (RecordingState::Expired, None));
    let fresh = said(&talk, 3_700_000, "r", link("a", 9_000_000));
    assert_eq!(world.hear(vec![fresh]).await, [EventType::CallUpdated]);
    let (now, due_at) = state().await;
    assert_eq!(now, RecordingState::Available);
    assert!(due_at.is_some());
}

/// Newest first, by conditions, page by page in both ways.
pub async fn lists_of_recordings_page_both_ways(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    for n in 0..7_i64 {
        let talk = Talk::new(&format!("k{n}"), "+31612345678", "201", n / 2 * 60_000);
        world.hear(talk.rings()).await;
        let url = (n % 3 != 0).then_some("https://example.com/a.mp3");
        world
            .hear(vec![recording(&talk, 10_000, &format!("r{n}"), url)])
            .await;
    }
    let (list, total) = recordings(&world, RecordingQuery::default()).await;
    assert_eq!((list.len(), total), (7, 7));
    let place = |found: &StoredRecording| (found.record.sort_at, found.record.id);
    assert!(list.windows(2).all(|two| place(&two[0]) > place(&two[1])));
    let mut after: Option<MediaCursor> = None;
    let mut shown = Vec::new();
    for (n, more) in [(3, true), (3, true), (1, false)] {
        let query = RecordingQuery {
            limit: 3,
            after,
            ..RecordingQuery::default()
        };
        let page = store.recordings(world.app.id, &query).await.unwrap();
        assert_eq!((page.items.len(), page.total), (n, 7));
        assert_eq!(page.next.is_some(), more);
        shown.extend(page.items);
        after = page.next;
    }
    assert_eq!(shown, list);
    let query = RecordingQuery {
        limit: 3,
        offset: 5,
        ..RecordingQuery::default()
    };
    let page = store.recordings(world.app.id, &query).await.unwrap();
    assert_eq!((&page.items[..], page.next), (&list[5..], None));
    // Exactly as many as fit leave nothing to go on to.
    let query = RecordingQuery {
        limit: 7,
        ..RecordingQuery::default()
    };
    let page = store.recordings(world.app.id, &query).await.unwrap();
    assert_eq!(page.next, None);

    let wanted = |states: &[RecordingState], since: Option<i64>, until: Option<i64>| {
        let query = RecordingQuery {
            states: states.to_vec(),
            since: since.map(at),
            until: until.map(at),
            ..RecordingQuery::default()
        };
        recordings(&world, query)
    };
    use RecordingState::{Available, Gone, Pending};
    assert_eq!(wanted(&[Pending], None, None).await.1, 3);
    assert_eq!(wanted(&[Pending, Available], None, None).await.1, 7);
    assert_eq!(wanted(&[Gone], None, None).await.1, 0);
    assert_eq!(wanted(&[], Some(64_000), Some(124_000)).await.1, 2);
    assert_eq!(wanted(&[], Some(64_001), None).await.1, 3);
    let one = RecordingQuery {
        call_id: Some(list[2].record.call_id),
        ..RecordingQuery::default()
    };
    assert_eq!(recordings(&world, one).await, (vec![list[2].clone()], 1));
}

/// What is due is found, and a look at it is noted without touching what the facts say.
pub async fn recordings_come_due(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let talk = Talk::new("a", "+31612345678", "201", 0);
    world.hear(talk.rings()).await;
    other.clock.set(at(-1_000));
    other.hear(talk.rings()).await;
    let pending = vec![recording(&talk, 5_000, "rec-1", None)];
    world.hear(pending.clone()).await;
    other.hear(pending).await;
    let due = |millis, limit| {
        let store = Arc::clone(&store);
        async move { store.due_recordings(at(millis), limit).await.unwrap() }
    };
    assert!(due(298_999, 9).await.is_empty());
    let found = due(300_000, 9).await;
    let apps: Vec<_> = found.iter().map(|found| found.app_id).collect();
    assert_eq!(apps, [other.app.id, world.app.id]);
    assert_eq!(due(300_000, 1).await, found[..1]);

    let (id, app) = (found[1].record.id, world.app.id);
    let check = RecordingCheck {
        checked_at: Some(at(300_000)),
        due_at: Some(at(900_000)),
        failures: 0,
    };
    let foreign = store.recording_checked(other.app.id, id, check).await;
    assert!(!foreign.unwrap());
    assert!(store.recording_checked(app, id, check).await.unwrap());
    let failed = RecordingCheck {
        checked_at: None,
        due_at: None,
        failures: 3,
    };
    assert!(store.recording_checked(app, id, failed).await.unwrap());
    let noted = store.recording(app, id).await.unwrap().unwrap();
    let expected = StoredRecording {
        checked_at: Some(at(300_000)),
        due_at: None,
        failures: 3,
        ..found[1].clone()
    };
    assert_eq!(noted, expected);
    assert_eq!(due(999_999, 9).await, found[..1]);
    // News of it begins anew.
    world.clock.set(at(400_000));
    let url = Some("https://example.com/rec-1.mp3");
    world
        .hear(vec![recording(&talk, 350_000, "rec-1", url)])
        .await;
    let noted = store.recording(app, id).await.unwrap().unwrap();
    assert_eq!((noted.failures, noted.checked_at), (0, Some(at(300_000))));
    assert!(noted.due_at > Some(world.clock.now()));
}

/// A voicemail is there with its call; deleting it leaves the call, and it stays deleted.
pub async fn voicemails_come_and_go(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let first = Talk::new("a", "+31612345678", "201", 0);
    let second = Talk::new("b", "+31687654321", "202", 60_000);
    for talk in [&first, &second] {
        world.hear(talk.rings()).await;
    }
    world
        .hear(vec![voicemail(&first, 30_000, "vm-1", None)])
        .await;
    world
        .hear(vec![voicemail(&second, 90_000, "vm-2", None)])
        .await;
    let app = world.app.id;
    let list = |query: VoicemailQuery| {
        let store = Arc::clone(&store);
        async move {
            let limit = query.limit.max(1);
            let query = VoicemailQuery { limit, ..query };
            store.voicemails(app, &query).await.unwrap()
        }
    };
    let all = VoicemailQuery {
        limit: 10,
        ..VoicemailQuery::default()
    };
    let page = list(all.clone()).await;
    let ids: Vec<&str> = page
        .items
        .iter()
        .map(|v| v.record.external_id.as_str())
        .collect();
    assert_eq!(
        (ids, page.total, page.next),
        (vec!["vm-2", "vm-1"], 2, None)
    );
    let newest = &page.items[0];
    let record = &newest.record;
    assert_eq!(record.from_number.as_deref(), Some("+31687654321"));
    assert_eq!(record.to_number.as_deref(), Some("+31201234567"));
    assert_eq!(
        (record.duration_seconds, record.left_at),
        (Some(12), Some(at(90_000)))
    );
    assert_eq!(newest.created_at, at(0));
    // Page by page, by agent, by time.
    let one = list(VoicemailQuery::default()).await;
    assert_eq!(&one.items, &page.items[..1]);
    let rest = VoicemailQuery {
        after: one.next,
        ..VoicemailQuery::default()
    };
    assert_eq!(&list(rest).await.items, &page.items[1..]);
    let of = |agent: &str| VoicemailQuery {
        agent: Some(agent.to_owned()),
        ..all.clone()
    };
    assert_eq!(&list(of("202")).await.items, &page.items[..1]);
    assert!(list(of("20")).await.items.is_empty());
    let until = VoicemailQuery {
        since: Some(at(30_000)),
        until: Some(at(90_000)),
        ..all.clone()
    };
    assert_eq!(&list(until).await.items, &page.items[1..]);

    // The transcript comes later and is the same voicemail.
    world.clock.set(at(120_000));
    let written = voicemail(&second, 90_000, "vm-2", Some("Bel me terug"));
    world.hear(vec![written.clone()]).await;
    let id = record.id;
    assert_eq!(id, VoicemailId::of(world.connection.id, "vm-2"));
    let found = store.voicemail(app, id).await.unwrap().unwrap();
    assert_eq!(found.record.transcript.as_deref(), Some("Bel me terug"));
    assert_eq!((found.created_at, found.updated_at), (at(0), at(120_000)));

    let missing = Err(StoreError::NotFound("voicemail"));
    let them = other.app.id;
    assert_eq!(store.voicemail(them, id).await.unwrap(), None);
    let theirs = store.voicemails(them, &all).await.unwrap();
    assert_eq!((theirs.items.len(), theirs.total), (0, 0));
    assert_eq!(store.delete_voicemail(them, id).await, missing);
    store.delete_voicemail(app, id).await.unwrap();
    assert_eq!(store.delete_voicemail(app, id).await, missing);
    assert_eq!(store.voicemail(app, id).await.unwrap(), None);
    world.hear(second.ends()).await;
    world
        .hear(vec![voicemail(
            &second,
            90_000,
            "vm-2",
            Some("Bel me terug."),
        )])
        .await;
    assert_eq!(store.voicemail(app, id).await.unwrap(), None);
    assert_eq!(list(all).await.total, 1);
    let call = store.call(app, found.record.call_id).await.unwrap();
    assert!(call.is_some(), "the call stays");
}
