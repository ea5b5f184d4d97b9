//! What clients of the Pipelinq CTI adapter ask for besides dialling: the screen pop, the
//! disposition, a recording's address, its one configuration and its event log. The names, the
//! statuses and the sentences are theirs; what is decided is decided where our own routes decide
//! it. Every route answers below `/index.php/apps/pipelinq` too.

use axum::Router;
use axum::routing::{get, post};
use switchhook_domain::id::CallId;

use crate::params::uuid;
use crate::problem::{Code, Problem};
use crate::state::Shared;

pub(crate) mod config;
pub(crate) mod event_log;
pub(crate) mod moments;
pub(crate) mod screen_pop;

/// The same routes where Nextcloud had them.
pub(crate) fn in_nextcloud() -> Router<Shared> {
    let routes = Router::new()
        .route("/screen-pop", post(screen_pop::look_up))
        .route("/contactmoment/{id}/disposition", post(moments::dispose))
        .route(
            "/contactmoment/{id}/recording",
            post(moments::attach_recording),
        )
        .route("/config", get(config::get).put(config::put))
        .route("/event-log", get(event_log::list));
    Router::new().nest("/index.php/apps/pipelinq/api/cti", routes)
}

/// A problem with the member those clients show.
pub(crate) fn in_their_form(problem: Problem) -> Problem {
    let text = problem.detail().to_owned();
    problem.with("error", text)
}

/// A member that must be there, in their words.
fn required(field: &str, text: &'static str) -> Problem {
    Problem::new(Code::InvalidField, text).at(field)
}

/// The id in their paths: what is none is not found, as any other id that is not known.
fn moment_id(text: &str) -> Result<CallId, Problem> {
    uuid(text)
        .map(CallId)
        .ok_or_else(|| in_their_form(crate::moments::not_found()))
}

/// What is given and not only blanks.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}
