//! Who does something to a task: the author that is kept, the agent they are, and whether they may
//! touch what other agents have.

use switchhook_domain::moment::{Author, AuthorKind};
use switchhook_domain::task::TaskAssignee;
use switchhook_engine::rights::Role;
use switchhook_engine::tasks::Doer;

use super::said::assignee;
use crate::agents::own_agent;
use crate::auth::{By, Caller};
use crate::problem::{Code, Problem};
use crate::state::Inner;

/// The caller, as tasks see them. Agents touch their own tasks and those that nobody has; keys,
/// supervisors and administrators all of them.
pub(crate) async fn doer(shared: &Inner, caller: &Caller) -> Result<Doer, Problem> {
    let agent = own_agent(shared, caller).await?;
    let agent = agent.as_ref().map(assignee);
    let own_only = match caller.by {
        By::Key => false,
        By::Token(_) => true,
        By::Session(_) => caller.access.role == Role::Agent,
    };
    Ok(Doer {
        by: author(shared, caller, agent.as_ref()).await?,
        agent,
        own_only,
    })
}

/// The caller, as records name them: an agent, a person, or the key of a backend.
async fn author(
    shared: &Inner,
    caller: &Caller,
    agent: Option<&TaskAssignee>,
) -> Result<Author, Problem> {
    if let Some(agent) = agent {
        return Ok(Author {
            kind: AuthorKind::Agent,
            id: Some(agent.id.0),
            name: Some(agent.name.clone()),
        });
    }
    if let (By::Key, Some(id)) = (caller.by, caller.access.key_id) {
        let key = shared.store.key(caller.app(), id).await?;
        return Ok(Author {
            kind: AuthorKind::Key,
            id: Some(id.0),
            name: key.map(|key| key.name),
        });
    }
    let person = match caller.access.user_id {
        Some(id) => shared.store.person(caller.app(), id).await?,
        None => None,
    };
    Ok(Author {
        kind: AuthorKind::Person,
        id: caller.access.user_id.map(|id| id.0),
        name: person.map(|person| person.name),
    })
}

/// The agent somebody acts as, where nobody else was named.
pub(super) fn own(doer: &Doer) -> Result<TaskAssignee, Problem> {
    let none = || {
        if doer.own_only {
            let detail = "You are no agent of this app, so you cannot have tasks. Ask an \
                          administrator to link your account to an agent.";
            return Problem::new(Code::RoleNotAllowed, detail);
        }
        let problem = "is required from a key and from who is no agent: name the agent";
        Problem::field("agent_id", problem)
    };
    doer.agent.clone().ok_or_else(none)
}

/// Refuses agents what only those do who see to others' work.
pub(super) fn must_see_to_others(doer: &Doer) -> Result<(), Problem> {
    if !doer.own_only {
        return Ok(());
    }
    let detail = "An agent takes a task with claim and gives it back with release. Ask a \
                  supervisor to give it to somebody else.";
    Err(Problem::new(Code::RoleNotAllowed, detail))
}
