//! Dialpad's OAuth: codes and refresh tokens work once, PKCE is checked where it was begun,
//! clients prove themselves in the body or by Basic. Errors are those of RFC 6749 section 5.2.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use switchhook_engine::seal::digest;

use super::facts::{CODE_GRANT, REFRESH_GRANT};
use super::{Books, Key};
use crate::vendors::{Answered, Asked};

/// The one client that is registered.
pub const CLIENT_ID: &str = "switchhook-client";
/// Its secret.
pub const CLIENT_SECRET: &str = "switchhook client secret";

/// A code that was given out.
pub(super) struct Code {
    challenge: Option<String>,
    redirect_uri: String,
    scope: String,
}

fn refused(error: &str) -> Answered {
    Answered::json(400, json!({ "error": error }))
}

/// `GET /oauth2/authorize`: the person agrees, or does not.
pub(super) fn authorize(books: &mut Books, asked: &Asked) -> Answered {
    let (Some(CLIENT_ID), Some(redirect_uri)) =
        (asked.query("client_id"), asked.query("redirect_uri"))
    else {
        return refused("invalid_client");
    };
    let known = books
        .redirect_uris
        .iter()
        .any(|known| known == redirect_uri);
    if !known || asked.query("response_type") != Some("code") {
        return refused("invalid_request");
    }
    let method = asked.query("code_challenge_method");
    if asked.query("code_challenge").is_some() && method != Some("S256") {
        return refused("invalid_request");
    }
    let state = asked.query("state").unwrap_or_default();
    let back = if books.person_agrees {
        let code = format!("code-{}", books.id());
        let known = Code {
            challenge: asked.query("code_challenge").map(str::to_owned),
            redirect_uri: redirect_uri.to_owned(),
            scope: asked.query("scope").unwrap_or_default().to_owned(),
        };
        books.codes.insert(code.clone(), known);
        format!("{redirect_uri}?code={code}&state={state}")
    } else {
        format!("{redirect_uri}?error=access_denied&state={state}")
    };
    Answered::empty(302).with("location", back)
}

/// `POST /oauth2/token`, JSON or a form.
pub(super) fn token(books: &mut Books, asked: &Asked) -> Answered {
    let is_json = asked
        .header("content-type")
        .is_some_and(|t| t.starts_with("application/json"));
    let fields: Vec<(String, String)> = if is_json {
        let Value::Object(object) = asked.json() else {
            return refused("invalid_request");
        };
        let text = |value: Value| value.as_str().map(str::to_owned).unwrap_or_default();
        object
            .into_iter()
            .map(|(name, value)| (name, text(value)))
            .collect()
    } else {
        asked.form()
    };
    let field = |name: &str| {
        let found = fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    let (grant, allowed) = match field("grant_type") {
        Some("authorization_code") => ("code", CODE_GRANT),
        Some("refresh_token") => ("refresh", REFRESH_GRANT),
        _ => return refused("unsupported_grant_type"),
    };
    if fields
        .iter()
        .any(|(name, _)| !allowed.contains(&name.as_str()))
    {
        return refused("invalid_request");
    }
    let basic = format!(
        "Basic {}",
        STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"))
    );
    let in_body =
        field("client_id") == Some(CLIENT_ID) && field("client_secret") == Some(CLIENT_SECRET);
    if !in_body && asked.header("authorization") != Some(basic.as_str()) {
        return Answered::json(401, json!({ "error": "invalid_client" }));
    }
    let scope = if grant == "code" {
        let code = books.codes.remove(field("code").unwrap_or_default());
        let good = code.filter(|code| {
            let hashed = field("code_verifier")
                .map(|verifier| URL_SAFE_NO_PAD.encode(digest(verifier.as_bytes())));
            code.challenge.is_none_or_eq(&hashed)
                && field("redirect_uri").is_none_or(|uri| uri == code.redirect_uri)
        });
        good.map(|code| code.scope)
    } else {
        books
            .refresh_tokens
            .remove(field("refresh_token").unwrap_or_default())
    };
    scope.map_or_else(|| refused("invalid_grant"), |scope| issue(books, &scope))
}

trait Challenge {
    fn is_none_or_eq(&self, hashed: &Option<String>) -> bool;
}

impl Challenge for Option<String> {
    fn is_none_or_eq(&self, hashed: &Option<String>) -> bool {
        self.is_none() || self == hashed
    }
}

fn issue(books: &mut Books, scope: &str) -> Answered {
    let number = books.id();
    let access = format!("access-{number}");
    let scopes: Vec<String> = scope.split(' ').map(str::to_owned).collect();
    let offline = scopes.iter().any(|scope| scope == "offline_access");
    let key = Key {
        scopes,
        admin: true,
    };
    books.keys.insert(access.clone(), key);
    let mut body = json!({
        "access_token": access, "expires_in": books.token_life, "token_type": "bearer",
        "id_token": null,
    });
    if offline {
        let refresh = format!("refresh-{number}");
        books
            .refresh_tokens
            .insert(refresh.clone(), scope.to_owned());
        body["refresh_token"] = refresh.into();
    }
    Answered::json(200, body)
}

/// `POST /oauth2/deauthorize`: the tokens of the bearer's app are worth nothing any more.
pub(super) fn deauthorize(books: &mut Books, asked: &Asked) -> Answered {
    let known = asked
        .bearer()
        .is_some_and(|token| books.keys.remove(token).is_some());
    if !known {
        return super::error(401, "Invalid credentials");
    }
    books.refresh_tokens.clear();
    Answered::empty(204)
}
