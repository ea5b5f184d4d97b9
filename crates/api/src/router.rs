//! Every route in one place, and what lies around them.

use axum::{Router, middleware};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::inherited::pipelinq;
use crate::state::{ApiState, Inner, Shared};
use crate::{
    agents, apps, audit, audit_export, calls, click_to_dial, connections, contacts, control,
    diagnosis, dial_policy, dials, docs, events, guard, health, idempotency, inherited,
    inherited_keys, keys, mappings, me, messages, metrics, moments, notifications, oauth, openapi,
    outer, own_connections, own_keys, page, pbx_socket, people, presence, recordings, sign_in,
    tasks, transcripts, voicemails, webhooks, work_settings, ws,
};

/// Answers smaller than this are not worth compressing, in bytes.
const WORTH_COMPRESSING: u64 = 1024;

/// All routes with their description, not yet wired to anything.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    let compressed = OpenApiRouter::new()
        .routes(routes!(calls::list))
        .routes(routes!(calls::active))
        .routes(routes!(events::list))
        .routes(routes!(agents::list, agents::create))
        .routes(routes!(contacts::list, contacts::create))
        .routes(routes!(moments::list))
        .routes(routes!(messages::list))
        .routes(routes!(presence::list))
        .routes(routes!(recordings::list))
        .routes(routes!(tasks::list, tasks::create))
        .routes(routes!(transcripts::get))
        .routes(routes!(voicemails::list))
        .routes(routes!(page::page))
        .routes(routes!(audit::list))
        .routes(routes!(docs::description))
        .routes(routes!(docs::reference))
        .routes(routes!(docs::error))
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(WORTH_COMPRESSING)));
    OpenApiRouter::with_openapi(openapi::base())
        .merge(compressed)
        .merge(people())
        .merge(agents())
        .merge(keys())
        .merge(tasks())
        .merge(inherited_ones())
        .merge(work())
        .routes(routes!(calls::get))
        .routes(routes!(dials::create))
        .routes(routes!(dials::get))
        .routes(routes!(click_to_dial::native))
        .routes(routes!(click_to_dial::inherited))
        .routes(routes!(control::actions))
        .routes(routes!(control::control))
        .routes(routes!(dial_policy::get, dial_policy::put))
        .routes(routes!(own_connections::list))
        .routes(routes!(contacts::import))
        .routes(routes!(contacts::get, contacts::delete))
        .routes(routes!(messages::get))
        .routes(routes!(recordings::get))
        .routes(routes!(voicemails::get, voicemails::delete))
        .routes(routes!(me::status))
        .routes(routes!(ws::upgrade))
        .routes(routes!(webhooks::dialpad))
        .routes(routes!(webhooks::hook, webhooks::hook_by_get))
        .routes(routes!(pbx_socket::connect))
        .routes(routes!(webhooks::pipelinq))
        .routes(routes!(webhooks::pipelinq_in_nextcloud))
        .routes(routes!(connections::list, connections::create))
        .routes(routes!(connections::get, connections::delete))
        .routes(routes!(connections::change::update))
        .routes(routes!(connections::change::rotate))
        .routes(routes!(connections::platforms))
        .routes(routes!(mappings::get, mappings::put, mappings::delete))
        .routes(routes!(diagnosis::own))
        .routes(routes!(diagnosis::operator))
        .routes(routes!(diagnosis::test))
        .routes(routes!(oauth::begin::link))
        .routes(routes!(oauth::begin::authorize))
        .routes(routes!(oauth::begin::begin_any))
        .routes(routes!(oauth::begin::connect))
        .routes(routes!(oauth::callback::callback))
        .routes(routes!(oauth::disconnect))
        .routes(routes!(notifications::list))
        .routes(routes!(audit::operators))
        .routes(routes!(audit_export::own))
        .routes(routes!(audit_export::operators))
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
}

/// Who is asking, how people come in, and who they are.
fn people() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(me::me, people::own::rename))
        .routes(routes!(people::own::password))
        .routes(routes!(people::own::sessions, people::own::end_sessions))
        .routes(routes!(people::own::end_session))
        .routes(routes!(people::list, people::invite))
        .routes(routes!(people::get, people::change, people::delete))
        .routes(routes!(people::reset_link))
        .routes(routes!(people::invite_as_operator))
        .routes(routes!(sign_in::password::options))
        .routes(routes!(sign_in::password::sign_in))
        .routes(routes!(sign_in::links::set_up))
        .routes(routes!(sign_in::links::look_at_invitation))
        .routes(routes!(sign_in::links::accept_invitation))
        .routes(routes!(sign_in::oidc::begin))
        .routes(routes!(sign_in::oidc::finish))
        .routes(routes!(sign_in::sign_in))
        .routes(routes!(sign_in::sign_out))
}

/// Agents, their tokens, and the predecessor's user mappings.
fn agents() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(agents::get, agents::update, agents::delete))
        .routes(routes!(agents::batch::batch))
        .routes(routes!(agents::matching::users))
        .routes(routes!(agents::matching::run))
        .routes(routes!(agents::identities::create))
        .routes(routes!(agents::identities::delete))
        .routes(routes!(agents::tokens::create))
        .routes(routes!(agents::tokens::delete))
        .routes(routes!(agents::mappings::map))
        .routes(routes!(agents::mappings::batch))
        .routes(routes!(agents::mappings::list))
        .routes(routes!(
            agents::mappings::by_user,
            agents::mappings::delete_by_user
        ))
        .routes(routes!(agents::mappings::by_crm))
        .routes(routes!(agents::mappings::delete))
}

/// Apps and keys, for operators and for the apps themselves.
fn keys() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(apps::list, apps::create))
        .routes(routes!(apps::get, apps::change))
        .routes(routes!(apps::sign_in_link))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::rename, keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(inherited_keys::create))
        .routes(routes!(inherited_keys::rotate))
        .routes(routes!(inherited_keys::revoke))
        .routes(routes!(inherited_keys::status))
        .routes(routes!(inherited_keys::audit))
        .routes(routes!(own_keys::list, own_keys::create))
        .routes(routes!(own_keys::rename, own_keys::revoke))
        .routes(routes!(own_keys::rotate))
}

/// What comes after a call, and how agents work.
fn work() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(moments::get, moments::draft))
        .routes(routes!(moments::dispose))
        .routes(routes!(moments::choose, moments::take_in))
        .routes(routes!(moments::wrap_up))
        .routes(routes!(work_settings::get, work_settings::put))
        .routes(routes!(pipelinq::screen_pop::look_up))
        .routes(routes!(pipelinq::moments::dispose))
        .routes(routes!(pipelinq::moments::attach_recording))
        .routes(routes!(pipelinq::config::get, pipelinq::config::put))
        .routes(routes!(pipelinq::event_log::list))
}

/// Follow-up tasks, and the same as the predecessor's call-backs.
fn tasks() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(tasks::get, tasks::update))
        .routes(routes!(tasks::steps::claim))
        .routes(routes!(tasks::steps::release))
        .routes(routes!(tasks::steps::assign))
        .routes(routes!(tasks::steps::attempt))
        .routes(routes!(tasks::steps::complete))
        .routes(routes!(tasks::steps::reopen))
        .routes(routes!(tasks::steps::assign_many))
        .routes(routes!(tasks::callbacks::attempt))
        .routes(routes!(tasks::callbacks::claim))
        .routes(routes!(tasks::callbacks::complete))
        .routes(routes!(tasks::callbacks::reassign))
}

/// What only the predecessor's clients ask for.
fn inherited_ones() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(inherited::webhooks::create))
        .routes(routes!(inherited::webhooks::list))
        .routes(routes!(
            inherited::webhooks::get,
            inherited::webhooks::delete
        ))
        .routes(routes!(inherited::voicemails::list))
        .routes(routes!(
            inherited::voicemails::get,
            inherited::voicemails::delete
        ))
        .routes(routes!(inherited::metrics::sockets))
}

/// The whole HTTP side of the server.
pub fn router(state: ApiState) -> Router {
    let shared = Inner::new(state);
    let files = axum::routing::any(page::fallback)
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(WORTH_COMPRESSING)));
    let (router, _) = routes().split_for_parts();
    let router = router
        .route("/docs/style.css", axum::routing::get(docs::style))
        .merge(pipelinq::in_nextcloud())
        // Where the predecessor's page looks.
        .route(
            "/index.php/apps/pipelinq/api/cti/test-connection",
            axum::routing::get(diagnosis::test),
        )
        .fallback_service(files.with_state(shared.clone()))
        .layer(middleware::from_fn_with_state(
            shared.clone(),
            idempotency::once,
        ))
        .layer(middleware::from_fn_with_state(shared.clone(), outer::outer))
        .layer(middleware::from_fn_with_state(
            guard::Guard::new(&shared.config),
            guard::guard,
        ))
        .with_state(shared);
    // Around the routes, because it decides which one is meant.
    Router::new()
        .fallback_service(router)
        .layer(middleware::map_request(inherited::under_base))
}
