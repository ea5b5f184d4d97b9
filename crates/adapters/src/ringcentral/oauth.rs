//! How a connection signs in at RingCentral ("Authentication"): a person's consent with PKCE, or
//! a JWT credential of the developer console. Getting, keeping and refreshing tokens is the
//! engine's.

use switchhook_engine::adapter::ConnectionContext;
use switchhook_engine::command::{ClientAuth, Grant, OAuthEndpoints, Revoke};

use super::{api, spec};

/// The endpoints; `None` for a connection without an app, which only listens.
pub(super) fn endpoints(connection: &ConnectionContext) -> Option<OAuthEndpoints> {
    let client_id = connection.text(spec::CLIENT_ID)?;
    let server = api::server(connection).trim_end_matches('/');
    let credential = |name| {
        let secret = connection.credentials.get(name);
        secret.filter(|s| !s.expose().trim().is_empty()).cloned()
    };
    let client_secret = credential(spec::CLIENT_SECRET);
    Some(OAuthEndpoints {
        authorize_url: format!("{server}/restapi/oauth/authorize"),
        token_url: format!("{server}/restapi/oauth/token"),
        revoke_url: Some(format!("{server}/restapi/oauth/revoke")),
        client_id: client_id.to_owned(),
        client_auth: match client_secret {
            Some(_) => ClientAuth::Basic,
            None => ClientAuth::Body,
        },
        client_secret,
        // The permissions of the app in the console decide; asking for one that it does not have
        // would refuse the whole sign-in.
        scope: String::new(),
        extra: Vec::new(),
        grant: credential(spec::JWT).map_or(Grant::AuthorizationCode, Grant::Jwt),
        revoke: Revoke::Token,
    })
}
