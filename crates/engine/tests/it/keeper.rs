//! The subscription keeper: made once, renewed in time, made anew when lost, half-done work gone
//! on with, taken back in the end.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{CallFact, Direction, LegFact, LegKind, Party, Signal};
use switchhook_engine::command::{CommandError, Fault, HalfSubscribed, Subscribed};
use switchhook_engine::keeper::{CHECK_EVERY, Keeper};
use switchhook_engine::ports::Clock;
use switchhook_engine::store::{CallQuery, Store, StoredSubscription, VendorStore};

use crate::platform::World;

const PUBLIC: Option<&str> = Some("https://cti.example/");

fn stands(state: Value, expires_at: Option<Timestamp>) -> Result<Subscribed, HalfSubscribed> {
    Ok(Subscribed {
        state,
        expires_at,
        was_lost: false,
    })
}

fn lost(state: Value) -> Result<Subscribed, HalfSubscribed> {
    Ok(Subscribed {
        state,
        expires_at: None,
        was_lost: true,
    })
}

fn half(state: Value, fault: Fault) -> Result<Subscribed, HalfSubscribed> {
    Err(HalfSubscribed {
        state,
        error: CommandError::new(fault, "Acme said no."),
    })
}

fn next(world: &World, results: impl IntoIterator<Item = Result<Subscribed, HalfSubscribed>>) {
    world.vendor.next.lock().unwrap().extend(results);
}

async fn row(world: &World) -> StoredSubscription {
    let row = &world.connection.row;
    let row = world.store.subscription(row.app_id, row.id).await.unwrap();
    row.unwrap()
}

/// Goes on to the moment the subscription is due and looks.
async fn when_due(world: &World, keeper: &Keeper) {
    world.clock.set(row(world).await.due_at);
    assert_eq!(keeper.once().await.unwrap(), 1);
}

fn asked(world: &World) -> Vec<Value> {
    let wanted = world.vendor.wanted.lock().unwrap();
    wanted.iter().map(|wanted| wanted.state.clone()).collect()
}

#[tokio::test]
async fn it_is_made_once_and_looked_at_on_schedule() {
    let world = World::new().await;
    let keepers = [world.keeper(PUBLIC), world.keeper(PUBLIC)];
    next(
        &world,
        [
            stands(json!({"hook": 1}), None),
            stands(json!({"hook": 1}), None),
        ],
    );
    let (a, b) = tokio::join!(keepers[0].once(), keepers[1].once());
    a.and(b).unwrap();
    assert_eq!(asked(&world), [Value::Null]);
    let url = world.vendor.wanted.lock().unwrap()[0].webhook_url.clone();
    assert_eq!(url, "https://cti.example/webhooks/acme/hook-of-head-office");
    let now = world.clock.now();
    let kept = row(&world).await;
    assert_eq!(
        (kept.confirmed_at, kept.failures, &kept.fault),
        (Some(now), 0, &None)
    );
    let wait = kept.due_at.duration_since(now);
    assert!(
        wait <= CHECK_EVERY && wait >= CHECK_EVERY * 9 / 10,
        "{wait}"
    );
    assert_eq!(keepers[1].once().await.unwrap(), 0, "not due yet");
    when_due(&world, &keepers[1]).await;
    assert_eq!(asked(&world), [Value::Null, json!({"hook": 1})]);
    assert!(world.vendor.reconciled.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_runs_out_is_renewed_well_before() {
    let world = World::new().await;
    let keeper = world.keeper(PUBLIC);
    let life = SignedDuration::from_mins(15);
    next(&world, [stands(json!({}), None)]);
    keeper.once().await.unwrap();
    for _ in 0..4 {
        let due = row(&world).await.due_at;
        let expires_at = due + life;
        next(&world, [stands(json!({}), Some(expires_at))]);
        when_due(&world, &keeper).await;
        let left = expires_at.duration_since(row(&world).await.due_at);
        assert!(left >= life / 2, "{left} left");
    }
    assert_eq!(asked(&world).len(), 5);
}

#[tokio::test]
async fn half_done_work_is_gone_on_with_and_waits_longer_each_time() {
    let world = World::new().await;
    let keeper = world.keeper(PUBLIC);
    next(
        &world,
        [
            half(json!({"hook": 1}), Fault::Platform),
            half(json!({"hook": 1, "calls": 2}), Fault::Platform),
            half(json!({"hook": 1, "calls": 2}), Fault::Platform),
            stands(json!({"hook": 1, "calls": 2, "sms": 3}), None),
        ],
    );
    keeper.once().await.unwrap();
    let mut waits = Vec::new();
    for _ in 0..3 {
        let kept = row(&world).await;
        assert_eq!(kept.fault.as_deref(), Some("Acme said no."));
        waits.push(kept.due_at.duration_since(world.clock.now()));
        when_due(&world, &keeper).await;
    }
    assert!(waits.windows(2).all(|pair| pair[1] > pair[0]), "{waits:?}");
    assert_eq!(
        asked(&world),
        [
            Value::Null,
            json!({"hook": 1}),
            json!({"hook": 1, "calls": 2}),
            json!({"hook": 1, "calls": 2})
        ]
    );
    let kept = row(&world).await;
    assert_eq!((kept.fault, kept.failures), (None, 0));
    assert_eq!(
        world.told().await,
        ["connection.degraded", "connection.restored"]
    );
}

#[tokio::test]
async fn what_only_a_person_can_put_right_is_told_at_once_and_once() {
    let world = World::new().await;
    let keeper = world.keeper(PUBLIC);
    next(
        &world,
        (0..4).map(|_| half(Value::Null, Fault::Credentials)),
    );
    keeper.once().await.unwrap();
    for _ in 0..3 {
        when_due(&world, &keeper).await;
    }
    assert_eq!(world.told().await, ["connection.degraded"]);
    // Somebody signs in: no use waiting for the next try.
    next(&world, [stands(json!({}), None)]);
    keeper.nudge(&world.connection).await.unwrap();
    assert_eq!(keeper.once().await.unwrap(), 1);
    assert_eq!(row(&world).await.fault, None);
    assert_eq!(
        world.told().await,
        ["connection.degraded", "connection.restored"]
    );
}

#[tokio::test]
async fn a_vendor_that_says_wait_is_not_asked_before() {
    let world = World::new().await;
    let keeper = world.keeper(PUBLIC);
    let wait = std::time::Duration::from_secs(900);
    let error = CommandError::new(Fault::RateLimited, "Too many.").after(wait);
    let state = Value::Null;
    next(&world, [Err(HalfSubscribed { state, error })]);
    keeper.once().await.unwrap();
    let due = row(&world).await.due_at.duration_since(world.clock.now());
    assert!(due >= SignedDuration::from_secs(810), "{due}");
}

/// A missed call as a call log tells it.
fn missed(at: Timestamp) -> Vec<Signal> {
    let keys = vec!["acme:7".to_owned()];
    let number = PhoneNumber::parse("+31612345678", &NumberPlan::default());
    let caller = Party {
        number: Some(number),
        ..Party::default()
    };
    let seen = LegFact::Seen {
        kind: LegKind::Agent,
        origin: false,
        party: Party::default(),
    };
    vec![
        Signal::leg(at, &keys, "7", seen),
        Signal::call(at, &keys, CallFact::Direction(Direction::Inbound)),
        Signal::call(at, &keys, CallFact::Remote(caller)),
    ]
}

async fn calls(world: &World) -> usize {
    let query = CallQuery {
        limit: 10,
        ..CallQuery::default()
    };
    let app = world.connection.app.id;
    world.store.calls(app, &query).await.unwrap().calls.len()
}

#[tokio::test]
async fn a_lost_subscription_is_made_anew_and_the_gap_filled() {
    let world = World::new().await;
    let keeper = world.keeper(PUBLIC);
    next(&world, [stands(json!({"hook": 1}), None)]);
    keeper.once().await.unwrap();
    let confirmed = world.clock.now();
    let missed = missed(confirmed + SignedDuration::from_mins(10));
    *world.vendor.log.lock().unwrap() = missed;
    // The call log is away at first: the gap must not be forgotten for that.
    let away = CommandError::new(Fault::Unreachable, "Acme is away.");
    *world.vendor.log_fails.lock().unwrap() = Some(away);
    next(
        &world,
        [lost(json!({"hook": 2})), stands(json!({"hook": 2}), None)],
    );
    when_due(&world, &keeper).await;
    assert_eq!(row(&world).await.fault.as_deref(), Some("Acme is away."));
    assert_eq!(calls(&world).await, 0);
    when_due(&world, &keeper).await;
    assert_eq!(row(&world).await.fault, None);
    assert_eq!(calls(&world).await, 1);
    let reconciled = world.vendor.reconciled.lock().unwrap().clone();
    assert_eq!(reconciled.len(), 2);
    assert!(
        reconciled
            .iter()
            .all(|(from, _)| *from < confirmed && *from > confirmed - CHECK_EVERY)
    );
    assert_eq!(reconciled[1].1, world.clock.now());
    // Filled once.
    next(&world, [stands(json!({"hook": 2}), None)]);
    when_due(&world, &keeper).await;
    assert_eq!(world.vendor.reconciled.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn after_a_night_without_any_node_the_call_log_is_read() {
    let world = World::new().await;
    next(&world, [stands(json!({}), None), stands(json!({}), None)]);
    world.keeper(PUBLIC).once().await.unwrap();
    world.clock.advance(SignedDuration::from_hours(9));
    world.keeper(PUBLIC).once().await.unwrap();
    assert_eq!(world.vendor.reconciled.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn without_a_public_address_the_vendor_is_not_asked() {
    let world = World::new().await;
    world.keeper(None).once().await.unwrap();
    assert!(asked(&world).is_empty());
    let fault = row(&world).await.fault.unwrap();
    assert!(fault.contains("public_url"), "{fault}");
}

#[tokio::test]
async fn deleting_takes_everything_back_and_says_what_it_could_not() {
    let world = World::new().await;
    let keeper = world.keeper(PUBLIC);
    world.sign_in(&world.tokens()).await;
    next(&world, [stands(json!({"hook": 1}), None)]);
    keeper.once().await.unwrap();
    let left = keeper.release(&world.connection).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(
        *world.vendor.unsubscribed.lock().unwrap(),
        [json!({"hook": 1})]
    );
    assert_eq!(*world.server.revoked.lock().unwrap(), ["access-1"]);
    let of = &world.connection.row;
    assert_eq!(
        world.store.subscription(of.app_id, of.id).await.unwrap(),
        None
    );
    assert_eq!(
        keeper.once().await.unwrap(),
        0,
        "and not made again before it is deleted"
    );

    let world = World::new().await;
    let keeper = world.keeper(PUBLIC);
    next(&world, [half(json!({"hook": 1}), Fault::Platform)]);
    keeper.once().await.unwrap();
    *world.vendor.unsubscribe_fails.lock().unwrap() = true;
    let left = keeper.release(&world.connection).await.unwrap();
    assert!(left[0].ends_with("Acme is away."), "{left:?}");
}

/// Somebody changes the connection on another node, or on the command line.
async fn changed_elsewhere(world: &World) {
    let mut row = switchhook_engine::store::Connection::clone(&world.connection.row);
    row.name = "Main office".to_owned();
    world.store.update_connection(&row).await.unwrap();
}

#[tokio::test]
async fn a_changed_connection_is_looked_at_with_its_new_settings() {
    let world = World::new().await;
    let keeper = world.keeper(PUBLIC);
    next(
        &world,
        [stands(json!({}), None), stands(json!({"hook": 2}), None)],
    );
    keeper.once().await.unwrap();
    changed_elsewhere(&world).await;
    keeper.nudge(&world.connection).await.unwrap();
    assert_eq!(keeper.once().await.unwrap(), 1);
    let known = world.connections.get(world.connection.row.id).unwrap();
    assert_eq!(known.context.name, "Main office");
    assert_eq!(row(&world).await.state["made"], json!({"hook": 2}));
    assert!(row(&world).await.due_at > world.clock.now());
    assert_eq!(keeper.once().await.unwrap(), 0, "once is enough");
}

#[tokio::test]
async fn a_change_in_the_middle_of_a_look_is_not_overlooked() {
    let world = World::new().await;
    let keeper = world.keeper(PUBLIC);
    next(
        &world,
        [
            stands(json!({"hook": 1}), None),
            stands(json!({"hook": 1}), None),
        ],
    );
    let (reached, go_on) = world.vendor.pause_next();
    let look = keeper.once();
    let change = async {
        reached.notified().await;
        changed_elsewhere(&world).await;
        keeper.nudge(&world.connection).await.unwrap();
        go_on.notify_one();
    };
    let (looked, ()) = tokio::join!(look, change);
    assert_eq!(looked.unwrap(), 1);
    assert_eq!(row(&world).await.due_at, world.clock.now());
    assert_eq!(row(&world).await.state["made"], json!({"hook": 1}));
    assert_eq!(keeper.once().await.unwrap(), 1);
    assert!(row(&world).await.due_at > world.clock.now());
    assert_eq!(asked(&world), [Value::Null, json!({"hook": 1})]);
}
