//! Lists of calls.

use std::sync::Arc;

use jiff::SignedDuration;
use switchhook_domain::call::{Call, Status};
use switchhook_domain::id::ConnectionId;
use switchhook_domain::signal::{CallFact, Direction, LegFact, LegKind, Party, Signal};
use switchhook_engine::store::{CallQuery, SNAPSHOT_LIMIT, Store};

use super::world::{Talk, World, at, connection, phone, records};

async fn with_calls(store: &Arc<dyn Store>, count: i64) -> World {
    let world = World::new(store, 1).await;
    for n in 0..count {
        let caller = if n % 3 == 0 {
            "+31612345678"
        } else {
            "+31687654321"
        };
        let extension = if n % 2 == 0 { "201" } else { "202" };
        // Pairs begin at the same moment, so that the id decides.
        let talk = Talk::new(&format!("call-{n}"), caller, extension, (n / 2) * 1_000);
        world.hear(talk.rings()).await;
        if n % 4 >= 1 {
            world.hear(talk.answered()).await;
        }
        if n % 4 == 3 {
            world.hear(talk.ends()).await;
        }
        world.clock.advance(SignedDuration::from_millis(700));
    }
    world
}

fn sorted(calls: &[Call]) -> bool {
    calls.is_sorted_by_key(|call| std::cmp::Reverse((call.started_at, call.id)))
}

/// By offset and by position, forwards, without a call missing or shown twice.
pub async fn lists_page_both_ways(store: Arc<dyn Store>) {
    let world = with_calls(&store, 23).await;
    let all = world.calls().await;
    assert_eq!(all.len(), 23);
    assert!(sorted(&all));

    let mut by_offset = Vec::new();
    let mut by_cursor = Vec::new();
    let mut after = None;
    for page in 0..5 {
        let query = CallQuery {
            limit: 5,
            offset: page * 5,
            ..CallQuery::default()
        };
        let found = world.list(query).await;
        assert_eq!(found.total, 23);
        by_offset.extend(records(&found));
        let found = world
            .list(CallQuery {
                limit: 5,
                after,
                ..CallQuery::default()
            })
            .await;
        assert_eq!(found.total, 23);
        by_cursor.extend(records(&found));
        after = found.next;
        assert_eq!(after.is_none(), page == 4);
    }
    assert_eq!(by_offset, all);
    assert_eq!(by_cursor, all);
    let beyond = world
        .list(CallQuery {
            limit: 5,
            offset: 23,
            ..CallQuery::default()
        })
        .await;
    assert_eq!(
        (beyond.calls.len(), beyond.total, beyond.next),
        (0, 23, None)
    );
    let exact = world
        .list(CallQuery {
            limit: 23,
            ..CallQuery::default()
        })
        .await;
    assert_eq!((exact.calls.len(), exact.next), (23, None));

    for call in &all {
        let one = store.call(world.app.id, call.id).await.unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Call>(&one).unwrap(), *call);
    }
}

/// True when an index answers all of it.
fn is_indexed(query: &CallQuery) -> bool {
    let CallQuery {
        open_only,
        from_number,
        to_number,
        since,
        until,
        ..
    } = query.clone();
    *query
        == CallQuery {
            open_only,
            from_number,
            to_number,
            since,
            until,
            ..CallQuery::default()
        }
        && (query.from_number.is_none() || query.to_number.is_none())
}

type Wanted = Box<dyn Fn(&Call) -> bool>;

/// Queries, and which calls each should find.
fn conditions(id: ConnectionId) -> Vec<(CallQuery, Wanted)> {
    let of_agent = |call: &Call, id: &str| {
        let agent = call.agent.clone().unwrap_or_default();
        agent.extension.as_deref() == Some(id) || agent.user_id.as_deref() == Some(id)
    };
    let none = CallQuery::default();
    vec![
        (
            CallQuery {
                open_only: true,
                ..none.clone()
            },
            Box::new(|c| !c.status.is_terminal()),
        ),
        (
            CallQuery {
                statuses: vec![Status::Ringing, Status::Ended],
                ..none.clone()
            },
            Box::new(|c| matches!(c.status, Status::Ringing | Status::Ended)),
        ),
        (
            CallQuery {
                direction: Some(Direction::Outbound),
                ..none.clone()
            },
            Box::new(|c| c.direction == Some(Direction::Outbound)),
        ),
        (
            CallQuery {
                from_number: Some("+31612345678".to_owned()),
                ..none.clone()
            },
            Box::new(|c| c.from_number.as_deref() == Some("+31612345678")),
        ),
        (
            CallQuery {
                to_number: Some("+31612345678".to_owned()),
                ..none.clone()
            },
            Box::new(|c| c.to_number.as_deref() == Some("+31612345678")),
        ),
        (
            CallQuery {
                platform: Some("asterisk".to_owned()),
                ..none.clone()
            },
            Box::new(|c| c.platform == "asterisk"),
        ),
        (
            CallQuery {
                connection_id: Some(id),
                ..none.clone()
            },
            Box::new(move |c| c.connection_id == id),
        ),
        (
            CallQuery {
                agent: Some("202".to_owned()),
                ..none.clone()
            },
            Box::new(move |c| of_agent(c, "202")),
        ),
        (
            CallQuery {
                agent: Some("u-7".to_owned()),
                ..none.clone()
            },
            Box::new(move |c| of_agent(c, "u-7")),
        ),
        (
            CallQuery {
                since: Some(at(3_000)),
                until: Some(at(8_000)),
                ..none.clone()
            },
            Box::new(|c| c.started_at >= Some(at(3_000)) && c.started_at < Some(at(8_000))),
        ),
        (
            CallQuery {
                from_number: Some("+31687654321".to_owned()),
                to_number: Some("+31201234567".to_owned()),
                statuses: vec![Status::Active],
                open_only: true,
                since: Some(at(2_000)),
                ..none.clone()
            },
            Box::new(|c| {
                c.from_number.as_deref() == Some("+31687654321")
                    && c.status == Status::Active
                    && c.started_at >= Some(at(2_000))
            }),
        ),
        (
            CallQuery {
                platform: Some("nobody's".to_owned()),
                ..none.clone()
            },
            Box::new(|_| false),
        ),
    ]
}

/// Each condition selects what it says, alone and together.
pub async fn filters_select(store: Arc<dyn Store>) {
    let mut world = with_calls(&store, 24).await;
    let second = connection(&world.entropy, world.app.id, "asterisk");
    store.create_connection(&second).await.unwrap();
    world.connection = second.clone();
    let keys = ["out".to_owned()];
    let agent = Party {
        user_id: Some("u-7".to_owned()),
        ..Party::default()
    };
    let seen = LegFact::Seen {
        kind: LegKind::Agent,
        origin: true,
        party: agent,
    };
    world
        .hear(vec![
            Signal::call(at(50_000), &keys, CallFact::Direction(Direction::Outbound)),
            Signal::call(at(50_000), &keys, CallFact::Dialled(phone("+31612345678"))),
            Signal::leg(at(50_000), &keys, "leg", seen),
            Signal::leg(at(50_100), &keys, "leg", LegFact::Rang),
        ])
        .await;
    let all = world.calls().await;
    assert_eq!(all.len(), 25);

    for (query, wanted) in conditions(second.id) {
        let expected: Vec<Call> = all.iter().filter(|call| wanted(call)).cloned().collect();
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = world
                .list(CallQuery {
                    limit: 4,
                    after,
                    ..query.clone()
                })
                .await;
            // What is tested call by call is counted among the calls looked at.
            assert!(page.total <= expected.len() as u64, "{query:?}");
            assert!(
                page.total == expected.len() as u64 || !is_indexed(&query),
                "{query:?}"
            );
            found.extend(records(&page));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{query:?}");
    }
}

/// However few calls match, paging by position reaches them all.
pub async fn a_scan_is_bounded_and_can_go_on(store: Arc<dyn Store>) {
    let world = with_calls(&store, 60).await;
    let all = world.calls().await;
    let ended: Vec<Call> = all
        .into_iter()
        .filter(|c| c.status == Status::Ended)
        .collect();
    let mut found = Vec::new();
    let mut after = None;
    for _ in 0..100 {
        let statuses = vec![Status::Ended];
        let query = CallQuery {
            statuses,
            limit: 3,
            after,
            ..CallQuery::default()
        };
        let page = world.list(query).await;
        found.extend(records(&page));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, ended);
}

/// The open calls and the position they are true for.
pub async fn the_snapshot_has_the_open_calls(store: Arc<dyn Store>) {
    let world = with_calls(&store, 12).await;
    let snapshot = store.snapshot(world.app.id).await.unwrap();
    assert_eq!(snapshot.epoch, world.app.epoch);
    assert_eq!(
        snapshot.seq,
        store.log_position(world.app.id).await.unwrap().head
    );
    let open = CallQuery {
        open_only: true,
        limit: 100,
        ..CallQuery::default()
    };
    assert_eq!(snapshot.calls, world.list(open).await.calls);
    assert_eq!(snapshot.calls.len(), 9);
    assert!(snapshot.calls.len() <= SNAPSHOT_LIMIT as usize);
}
