//! Which agent a platform's user is: what is certain is mapped once, the rest is left alone.

use switchhook_domain::Timestamp;
use switchhook_domain::agent::{Agent, Identity, IdentityKind, MappedBy, Names, Place, Roster};
use switchhook_domain::id::{AgentId, ConnectionId, IdMint, IdentityId};
use switchhook_engine::agents::{Edit, Matched, Missing, Outcome};
use switchhook_engine::platform_users::PlatformUser;
use uuid::Uuid;

const NONE: Missing = Missing {
    create: false,
    without_email: false,
};
const CREATE: Missing = Missing {
    create: true,
    without_email: false,
};

fn place() -> Place<'static> {
    Place {
        platform: "dialpad",
        connection: ConnectionId(Uuid::from_u128(1)),
    }
}

fn user(id: &str, extension: &str, email: &str) -> PlatformUser {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    PlatformUser {
        id: text(id),
        name: Some(format!("User {id}{extension}")),
        email: text(email),
        extension: text(extension),
        ..PlatformUser::default()
    }
}

fn id(n: u128) -> AgentId {
    AgentId(Uuid::from_u128(n))
}

fn agent(n: u128, email: &str, identities: &[(IdentityKind, &str, MappedBy)]) -> Agent {
    let identity = |(nth, (kind, value, by)): (usize, &(IdentityKind, &str, MappedBy))| Identity {
        id: IdentityId(Uuid::from_u128(n * 100 + nth as u128)),
        platform: Some("dialpad".to_owned()),
        connection_id: Some(place().connection),
        kind: *kind,
        value: (*value).to_owned(),
        by: *by,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    Agent {
        id: id(n),
        name: format!("Agent {n}"),
        email: Some(email.to_owned()).filter(|email| !email.is_empty()),
        crm_user_id: None,
        user_id: None,
        active: true,
        identities: identities.iter().enumerate().map(identity).collect(),
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

/// Matches once, and again with what came of it: the second time nothing may change.
fn matched(
    agents: &[Agent],
    users: &[PlatformUser],
    missing: Missing,
) -> (Vec<Matched>, Vec<Agent>) {
    let mut seed = 0_u8;
    let mut once = |agents: Vec<Agent>| {
        seed += 1;
        let mint = IdMint::new(Timestamp::UNIX_EPOCH, u128::from(seed) << 64);
        let mut edit = Edit::new(agents.clone(), Timestamp::UNIX_EPOCH, mint);
        let matched = edit.match_users(place(), users, missing).unwrap();
        let change = edit.into_change();
        let put: Vec<AgentId> = change.put.iter().map(|agent| agent.id).collect();
        let mut after = agents;
        after.retain(|agent| !put.contains(&agent.id));
        after.extend(change.put);
        (matched, put, after)
    };
    let (first, _, after) = once(agents.to_vec());
    let (second, put, _) = once(after.clone());
    assert!(put.is_empty(), "a second time changes nothing: {put:?}");
    for (a, b) in first.iter().zip(&second) {
        let kept = match a.outcome {
            Outcome::Matched | Outcome::Created => Outcome::Already,
            other => other,
        };
        assert_eq!((b.outcome, b.agent), (kept, a.agent));
    }
    (first, after)
}

fn outcomes(matched: &[Matched]) -> Vec<Outcome> {
    matched.iter().map(|one| one.outcome).collect()
}

#[test]
fn an_address_leads_to_the_agent_whatever_its_case() {
    let agents = [agent(1, "Anna@Example.nl", &[]), agent(2, "", &[])];
    let users = [user("55", "100", " anna@EXAMPLE.nl"), user("56", "", "")];
    let (found, after) = matched(&agents, &users, NONE);
    assert_eq!(outcomes(&found), [Outcome::Matched, Outcome::NoEmail]);
    assert_eq!(found[0].agent, Some(id(1)));
    assert_eq!(found[0].by, Some(IdentityKind::Email));
    let roster = Roster::new(after);
    for names in [
        Names {
            user_id: Some("55"),
            ..Names::default()
        },
        Names {
            extension: Some("100"),
            ..Names::default()
        },
    ] {
        let known = roster.find(place(), names).unwrap();
        assert_eq!(known.agent.id, id(1));
        assert_eq!(known.identity.unwrap().by, MappedBy::Email);
    }
}

#[test]
fn an_extension_leads_to_the_agent_where_it_is_one_users_only() {
    use IdentityKind::Extension;
    let agents = [
        agent(1, "anna@crm.example", &[(Extension, "100", MappedBy::Hand)]),
        agent(2, "", &[(Extension, "200", MappedBy::Hand)]),
        agent(3, "carla@x.nl", &[(Extension, "300", MappedBy::Email)]),
    ];
    let users = [
        user("55", "100", "a.de.boer@pbx.example"),
        user("56", "200", ""),
        user("57", "200", ""),
        user("58", "300", "somebody.else@x.nl"),
        user("59", "400", "nobody@x.nl"),
    ];
    let (found, _) = matched(&agents, &users, NONE);
    let wanted = [
        Outcome::Matched,
        Outcome::Ambiguous,
        Outcome::Ambiguous,
        Outcome::Ambiguous,
        Outcome::NoAgent,
    ];
    assert_eq!(outcomes(&found), wanted);
    assert_eq!(found[0].by, Some(Extension));
    assert_eq!(found[1].candidates, [id(2)]);
    assert_eq!(found[3].candidates, [id(3)]);
    assert!(found[1].agent.is_none() && found[1].detail.is_some());
}

#[test]
fn what_contradicts_itself_is_left_to_a_person() {
    use IdentityKind::{Email, Extension, User};
    let agents = [
        agent(1, "anna@x.nl", &[]),
        agent(2, "", &[(Extension, "100", MappedBy::Hand)]),
        agent(3, "", &[(Email, "shared@x.nl", MappedBy::Hand)]),
        agent(4, "shared@x.nl", &[]),
        agent(5, "eva@x.nl", &[(User, "59", MappedBy::Hand)]),
        agent(6, "finn@x.nl", &[]),
    ];
    let users = [
        user("55", "100", "anna@x.nl"),
        user("56", "", "shared@x.nl"),
        // A hand has said who it is, whatever the address says.
        user("59", "", "finn@x.nl"),
    ];
    let (found, _) = matched(&agents, &users, CREATE);
    let wanted = [Outcome::Ambiguous, Outcome::Ambiguous, Outcome::Already];
    assert_eq!(outcomes(&found), wanted);
    assert_eq!(found[0].candidates, [id(1), id(2)]);
    assert_eq!(found[1].candidates, [id(3), id(4)]);
    assert_eq!(found[2].agent, Some(id(5)));
}

#[test]
fn agents_are_made_only_where_that_was_asked_and_is_certain() {
    let users = [
        user("55", "100", "anna@x.nl"),
        user("56", "101", "info@x.nl"),
        user("57", "102", "INFO@x.nl"),
        user("58", "103", ""),
        user("59", "104", "no address"),
    ];
    let (found, after) = matched(&[], &users, CREATE);
    let wanted = [
        Outcome::Created,
        Outcome::Ambiguous,
        Outcome::Ambiguous,
        Outcome::NoEmail,
        Outcome::Refused,
    ];
    assert_eq!(outcomes(&found), wanted);
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].name, "User 55100");
    assert_eq!(after[0].email.as_deref(), Some("anna@x.nl"));
    assert_eq!(after[0].identities.len(), 2);
    let all = Missing {
        create: true,
        without_email: true,
    };
    let endpoints = [user("", "100", ""), user("", "101", "")];
    let (found, after) = matched(&[], &endpoints, all);
    assert_eq!(outcomes(&found), [Outcome::Created, Outcome::Created]);
    assert_eq!(after.len(), 2);
}

#[test]
fn who_is_not_active_or_full_is_not_mapped() {
    let gone = Agent {
        active: false,
        ..agent(1, "anna@x.nl", &[])
    };
    let mut full = agent(2, "bram@x.nl", &[]);
    let names: Vec<String> = (0..50).map(|n| format!("old-{n}")).collect();
    let names: Vec<_> = names
        .iter()
        .map(|name| (IdentityKind::User, name.as_str(), MappedBy::Hand))
        .collect();
    full.identities = agent(2, "", &names).identities;
    let users = [user("55", "", "anna@x.nl"), user("56", "", "bram@x.nl")];
    let (found, _) = matched(&[gone, full], &users, CREATE);
    assert_eq!(outcomes(&found), [Outcome::Refused, Outcome::Refused]);
    assert!(found[0].detail.unwrap().contains("not active"));
    assert!(found[1].detail.unwrap().contains("as many identities"));
}

#[test]
fn a_user_learnt_from_a_call_gets_the_extension_too() {
    let learnt = agent(
        1,
        "anna@x.nl",
        &[(IdentityKind::User, "55", MappedBy::Email)],
    );
    let users = [user("55", "100", "anna@x.nl")];
    let (found, after) = matched(&[learnt], &users, NONE);
    assert_eq!(outcomes(&found), [Outcome::Matched]);
    assert_eq!(after[0].identities.len(), 2);
}
