//! Lists of calls by the app's own agent, as the records say.

use std::sync::Arc;

use switchhook_domain::agent::{Agent, Identity, IdentityKind, MappedBy, Roster};
use switchhook_domain::call::Call;
use switchhook_domain::id::{AgentId, AppId, IdMint, IdentityId};
use switchhook_engine::ports::Entropy;
use switchhook_engine::store::{CallQuery, Store};

use super::world::{START, Talk, World, at, records};

fn agent(world: &World, name: &str, extension: &str, crm: Option<&str>) -> Agent {
    let mint = IdMint::new(START, world.entropy.random());
    Agent {
        id: AgentId(mint.uuid()),
        name: name.to_owned(),
        email: None,
        crm_user_id: crm.map(str::to_owned),
        user_id: None,
        active: true,
        identities: vec![Identity {
            id: IdentityId(mint.uuid()),
            platform: None,
            connection_id: None,
            kind: IdentityKind::Extension,
            value: extension.to_owned(),
            by: MappedBy::Hand,
            created_at: at(0),
            updated_at: at(0),
        }],
        created_at: at(0),
        updated_at: at(0),
    }
}

async fn heard(world: &World, key: &str, extension: &str, agents: &[Agent], start: i64) {
    let talk = Talk::new(key, "+31612345678", extension, start);
    for signals in [talk.rings(), talk.answered(), talk.ends()] {
        let mut change = world.heard(signals);
        if let Some(fold) = &mut change.fold {
            fold.roster = Some(Arc::new(Roster::new(agents.to_vec())));
        }
        world.store.commit(change).await.unwrap();
    }
}

async fn found(store: &Arc<dyn Store>, app: AppId, query: CallQuery) -> Vec<Call> {
    let query = CallQuery {
        limit: 100,
        ..query
    };
    records(&store.calls(app, &query).await.unwrap())
}

/// A call is found by the agent its record names: also after the extension has become somebody
/// else's, and not by whoever has it later. Another app finds none by the same ids.
pub async fn calls_are_found_by_their_agent(store: Arc<dyn Store>) {
    let (world, other) = (World::new(&store, 1).await, World::new(&store, 2).await);
    let anna = agent(&world, "Anna", "201", Some("crm \"\u{1F600}\\ 1"));
    let bram = agent(&world, "Bram {}", "202", None);
    heard(&world, "unmapped", "201", &[], 0).await;
    let both = [anna.clone(), bram.clone()];
    heard(&world, "annas", "201", &both, 1_000).await;
    heard(&world, "brams", "202", &both, 2_000).await;
    let mut heir = bram.clone();
    heir.identities.extend(anna.identities.clone());
    heir.crm_user_id = Some("crm 2".to_owned());
    heard(&world, "heirs", "201", &[heir], 3_000).await;
    heard(&other, "theirs", "201", &[], 4_000).await;

    let of_agent = |id: AgentId| CallQuery {
        agent_id: Some(id),
        ..CallQuery::default()
    };
    let of_crm = |id: &str| CallQuery {
        crm_user_id: Some(id.to_owned()),
        ..CallQuery::default()
    };
    let app = world.app.id;
    let names = async |query: CallQuery| {
        let calls = found(&store, app, query).await;
        let keys = calls.into_iter().map(|call| call.external_call_id);
        keys.collect::<Vec<_>>()
    };
    let all = found(&store, app, CallQuery::default()).await;
    assert_eq!(all.len(), 4);
    let crm = anna.crm_user_id.as_deref().unwrap_or_default();
    for (query, wanted) in [
        (of_agent(anna.id), vec![1]),
        (of_agent(bram.id), vec![3, 2]),
        (of_crm(crm), vec![1]),
        (of_crm("crm 2"), vec![3]),
        (of_crm("crm"), vec![]),
        (of_agent(AgentId(app.0)), vec![]),
    ] {
        // The list is newest first; the numbers are those of the order of the calls.
        let wanted: Vec<_> = wanted
            .into_iter()
            .map(|nth: usize| all[all.len() - 1 - nth].external_call_id.clone())
            .collect();
        assert_eq!(names(query.clone()).await, wanted, "{query:?}");
    }
    let together = CallQuery {
        agent_id: Some(bram.id),
        ..of_crm("crm 2")
    };
    assert_eq!(names(together).await.len(), 1);
    for query in [of_agent(anna.id), of_crm(crm)] {
        assert_eq!(found(&store, other.app.id, query).await, []);
    }
}
