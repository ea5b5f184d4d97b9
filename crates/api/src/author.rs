//! Under which name somebody writes on contact moments, and on whose: an agent as that agent, a
//! person as that person, a backend as its key. Not here: what they write.

use switchhook_domain::moment::{Author, AuthorKind};
use switchhook_engine::moments::{Reach, Writer};
use switchhook_engine::rights::Role;

use crate::agents::own_agent;
use crate::auth::{By, Caller};
use crate::problem::Problem;
use crate::state::Inner;

/// Who writes. Agents who act for themselves reach their own calls; everybody else all of them.
pub(crate) async fn writer(shared: &Inner, caller: &Caller) -> Result<Writer, Problem> {
    let author = author(shared, caller).await?;
    let own = match caller.by {
        By::Key => false,
        By::Token(_) => true,
        By::Session(_) => caller.access.role == Role::Agent,
    };
    let agent = author.id.filter(|_| author.kind == AuthorKind::Agent);
    let reach = match own {
        true => Reach::Own(agent.map(switchhook_domain::id::AgentId)),
        false => Reach::All,
    };
    Ok(Writer { author, reach })
}

/// The name somebody writes under.
pub(crate) async fn author(shared: &Inner, caller: &Caller) -> Result<Author, Problem> {
    let app = caller.app();
    if caller.by == By::Key {
        let id = caller.access.key_id;
        let row = match id {
            Some(id) => shared.store.key(app, id).await?,
            None => None,
        };
        return Ok(Author {
            kind: AuthorKind::Key,
            id: id.map(|id| id.0),
            name: row.map(|row| row.name),
        });
    }
    if let Some(agent) = own_agent(shared, caller).await? {
        return Ok(Author {
            kind: AuthorKind::Agent,
            id: Some(agent.id.0),
            name: Some(agent.name),
        });
    }
    let user = caller.access.user_id;
    let person = match user {
        Some(id) => shared.store.person(app, id).await?,
        None => None,
    };
    Ok(Author {
        kind: AuthorKind::Person,
        id: user.map(|id| id.0),
        name: person.map(|person| person.name),
    })
}
