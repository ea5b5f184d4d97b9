//! The state beneath a record, and presence as it was last reported.

use std::sync::Arc;

use switchhook_domain::media::{Presence, PresenceReport};
use switchhook_domain::signal::{Fact, LegKind, Signal};
use switchhook_engine::store::Store;

use super::world::{Talk, World, at};

/// What a request to the platform needs to know is there, and for its own app alone.
pub async fn the_state_beneath_a_call_is_there(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let talk = Talk::new("call-1", "+31612345001", "201", 0);
    world.hear(talk.rings()).await;
    world
        .hear(vec![talk.linked(&Talk::new("call-0", "", "", 0))])
        .await;
    let call = world.calls().await.remove(0);
    let state = store.call_state(world.app.id, call.id).await.unwrap();
    let state = state.unwrap();
    assert_eq!(state.derive(&world.app.country).call, call);
    let keys: Vec<_> = state.facts.keys.iter().map(String::as_str).collect();
    assert_eq!(keys, ["call-0", "call-1"]);
    assert_eq!(state.facts.legs["call-1/201"].kind, LegKind::Agent);
    let foreign = store.call_state(other.app.id, call.id).await.unwrap();
    assert_eq!(foreign, None);
}

/// Every agent's last report, by connection, and for its own app alone.
pub async fn presence_is_read_back(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let report = |extension: &str, presence, millis| Signal {
        at: at(millis),
        keys: Vec::new(),
        fact: Fact::Presence(PresenceReport {
            extension: Some(extension.to_owned()),
            user_id: Some(format!("u{extension}")),
            email: None,
            presence,
        }),
    };
    world
        .hear(vec![
            report("201", Presence::Available, 0),
            report("201", Presence::OnCall, 20),
            report("202", Presence::WrapUp, 30),
        ])
        .await;
    other
        .hear(vec![report("203", Presence::Available, 0)])
        .await;
    let (app, connection) = (world.app.id, world.connection.id);
    let mut states = store.presence_states(app, connection).await.unwrap();
    states.sort_by_key(|state| state.at);
    let states: Vec<_> = states
        .into_iter()
        .map(|state| {
            (
                state.report.extension.unwrap(),
                state.report.presence,
                state.at,
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            ("201".to_owned(), Presence::OnCall, at(20)),
            ("202".to_owned(), Presence::WrapUp, at(30)),
        ]
    );
    let foreign = store.presence_states(other.app.id, connection).await;
    assert_eq!(foreign.unwrap(), []);
}
