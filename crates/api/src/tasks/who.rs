//! Who does something to a task: the agent they are, and whether they may touch what other agents
//! have. Under which name it is kept is said in [`crate::author`].

use switchhook_domain::task::TaskAssignee;
use switchhook_engine::rights::Role;
use switchhook_engine::tasks::Doer;

use super::said::assignee;
use crate::agents::own_agent;
use crate::auth::{By, Caller};
use crate::author::author;
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
        by: author(shared, caller).await?,
        agent,
        own_only,
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
