//! Lists of calls in other orders than the newest first, by length, and by a platform's names.

use std::sync::Arc;

use switchhook_domain::call::Call;
use switchhook_domain::id::CallId;
use switchhook_engine::store::{CallQuery, CallSort, Store};

use super::world::{Talk, World, records};

/// Calls of 4, 1, 3, 3 and 2 seconds of talk, one after the other, and two that last.
async fn with_lengths(store: &Arc<dyn Store>) -> World {
    let world = World::new(store, 1).await;
    for (n, seconds) in [4, 1, 3, 3, 2].into_iter().enumerate() {
        let begins = i64::try_from(n).unwrap() * 10_000;
        let talk = Talk::new(&format!("call-{n}"), "+31612345678", "201", begins);
        world.hear(talk.rings()).await;
        world.hear(talk.answered()).await;
        world.hear(talk.ends_after(seconds * 1_000)).await;
    }
    for n in 5..7 {
        let talk = Talk::new(&format!("call-{n}"), "+31612345678", "202", n * 10_000);
        world.hear(talk.rings()).await;
    }
    world
}

fn lengths(calls: &[Call]) -> Vec<Option<i64>> {
    calls.iter().map(|call| call.duration_seconds).collect()
}

/// By start both ways with positions, by length with offsets; limits of length select.
pub async fn lists_go_by_start_and_by_length(store: Arc<dyn Store>) {
    let world = with_lengths(&store).await;
    let newest = world.calls().await;
    assert_eq!(newest.len(), 7);
    let oldest: Vec<Call> = newest.iter().rev().cloned().collect();
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let query = CallQuery {
            sort: CallSort::Oldest,
            limit: 3,
            after,
            ..CallQuery::default()
        };
        let page = world.list(query).await;
        assert_eq!(page.total, 7);
        found.extend(records(&page));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, oldest);
    let by = |sort, offset, least, most| CallQuery {
        sort,
        min_duration: least,
        max_duration: most,
        limit: 5,
        offset,
        ..CallQuery::default()
    };
    // Those that last come at the end either way; of two alike the newest comes first.
    let page = world.list(by(CallSort::Longest, 0, None, None)).await;
    let longest = records(&page);
    assert_eq!((page.total, page.next), (7, None));
    assert_eq!(lengths(&longest), [4, 3, 3, 2, 1].map(Some));
    assert!(longest[1].started_at > longest[2].started_at);
    let rest = records(&world.list(by(CallSort::Longest, 5, None, None)).await);
    assert_eq!(lengths(&rest), [None, None]);
    let shortest = records(&world.list(by(CallSort::Shortest, 0, None, None)).await);
    assert_eq!(lengths(&shortest), [1, 2, 3, 3, 4].map(Some));
    let some = world
        .list(by(CallSort::Shortest, 0, Some(2), Some(3)))
        .await;
    assert_eq!(
        (lengths(&records(&some)), some.total),
        (vec![Some(2), Some(3), Some(3)], 3)
    );
    let long = records(&world.list(by(CallSort::Newest, 0, Some(3), None)).await);
    assert_eq!(lengths(&long), [3, 3, 4].map(Some));
    let short = records(&world.list(by(CallSort::Oldest, 0, None, Some(2))).await);
    assert_eq!(lengths(&short), [1, 2].map(Some));
}

/// By the names platforms have for it, only of the app's own connections, whatever else is asked.
pub async fn a_call_is_found_by_its_names(store: Arc<dyn Store>) {
    let world = with_lengths(&store).await;
    let other = World::new(&store, 2).await;
    let all = world.calls().await;
    let names = Talk::new("call-2", "+31612345678", "201", 0).keys();
    let keys = |world: &World, names: &[String]| {
        Some(
            names
                .iter()
                .map(|name| (world.connection.id, name.clone()))
                .collect(),
        )
    };
    let ids = |page| -> Vec<CallId> { records(&page).iter().map(|call| call.id).collect() };
    let query = CallQuery {
        keys: keys(&world, &names),
        limit: 10,
        ..CallQuery::default()
    };
    let page = world.list(query.clone()).await;
    assert_eq!((page.total, page.next), (1, None));
    assert_eq!(ids(page), [all[4].id]);
    // Another app sees nothing by those names, its own connection nothing of that name.
    let theirs = store.calls(other.app.id, &query).await.unwrap();
    assert_eq!((theirs.calls.len(), theirs.total), (0, 0));
    let elsewhere = CallQuery {
        keys: keys(&other, &names),
        ..query.clone()
    };
    assert!(world.list(elsewhere).await.calls.is_empty());
    for nothing in [
        CallQuery {
            keys: Some(Vec::new()),
            ..query.clone()
        },
        CallQuery {
            open_only: true,
            ..query.clone()
        },
        CallQuery {
            from_number: Some("+31687654321".to_owned()),
            ..query.clone()
        },
        CallQuery {
            min_duration: Some(4),
            ..query.clone()
        },
    ] {
        let page = world.list(nothing.clone()).await;
        assert_eq!((page.calls.len(), page.total), (0, 0), "{nothing:?}");
    }
    let open = Talk::new("call-6", "+31612345678", "202", 0).keys();
    let open = CallQuery {
        keys: keys(&world, &[names, open].concat()),
        open_only: true,
        sort: CallSort::Shortest,
        ..query
    };
    assert_eq!(ids(world.list(open).await), [all[0].id]);
}
