//! The HTTP side of OAuth for all platforms: RFC 6749 (code, refresh), RFC 7636 (PKCE), RFC 7523
//! (assertion), RFC 7009 (revocation). Which addresses and which way of proving the client, the
//! adapters say; when a token is asked for, and where it is kept, the engine decides
//! ([`switchhook_engine::oauth`]).

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, Url};
use serde_json::Value;
use switchhook_engine::adapter::Secret;
use switchhook_engine::command::{ClientAuth, CommandError, Fault, OAuthEndpoints, Revoke};
use switchhook_engine::oauth::{Granted, TokenEndpoint, TokenRequest};
use switchhook_engine::outbound::Guard;

use crate::vendor::{self, Answer, Auth, Body, Request};

/// Token endpoints by HTTP, through this guard.
#[derive(Clone, Debug, Default)]
pub struct HttpTokens(pub Guard);

#[async_trait]
impl TokenEndpoint for HttpTokens {
    fn authorize_url(
        &self,
        endpoints: &OAuthEndpoints,
        parameters: &[(&str, &str)],
    ) -> Result<String, CommandError> {
        let mut url = address(&endpoints.authorize_url)?;
        url.query_pairs_mut().extend_pairs(parameters);
        Ok(url.into())
    }

    async fn grant(
        &self,
        endpoints: &OAuthEndpoints,
        request: &TokenRequest,
    ) -> Result<Granted, CommandError> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut form = match request {
            TokenRequest::Code {
                code,
                redirect_uri,
                verifier,
            } => vec![
                pair("grant_type", "authorization_code"),
                pair("code", code.expose()),
                pair("redirect_uri", redirect_uri),
                pair("code_verifier", verifier.expose()),
            ],
            TokenRequest::Refresh { refresh_token } => vec![
                pair("grant_type", "refresh_token"),
                pair("refresh_token", refresh_token.expose()),
            ],
            TokenRequest::Jwt { assertion } => vec![
                pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                pair("assertion", assertion.expose()),
            ],
        };
        let auth = prove(endpoints, &mut form);
        let mut request = Request::new(Method::POST, address(&endpoints.token_url)?, auth);
        request.body = Body::Form(form);
        let answer = vendor::attempt(&self.0, &request, None).await?;
        match answer.status {
            200..=299 => granted(&answer.json),
            _ => Err(refused(&answer)),
        }
    }

    async fn revoke(
        &self,
        endpoints: &OAuthEndpoints,
        access_token: &Secret,
        refresh_token: Option<&Secret>,
    ) -> Result<(), CommandError> {
        let Some(url) = &endpoints.revoke_url else {
            return Ok(());
        };
        let url = address(url)?;
        let request = match endpoints.revoke {
            Revoke::Bearer => Request::new(Method::POST, url, Auth::Bearer(access_token)),
            Revoke::Token => {
                // With the refresh token its access tokens go too (RFC 7009 section 2.1).
                let token = refresh_token.unwrap_or(access_token);
                let mut form = vec![("token".to_owned(), token.expose().to_owned())];
                let auth = prove(endpoints, &mut form);
                let mut request = Request::new(Method::POST, url, auth);
                request.body = Body::Form(form);
                request
            }
        };
        let answer = vendor::attempt(&self.0, &request, None).await?;
        match answer.status {
            // A token that is not known any more is what was asked for.
            401 | 404 if endpoints.revoke == Revoke::Bearer => Ok(()),
            _ => vendor::accepted(&answer, false),
        }
    }
}

fn address(url: &str) -> Result<Url, CommandError> {
    Url::parse(url).map_err(|_| {
        let detail = "The address of the platform in the connection's settings is not a URL.";
        CommandError::new(Fault::Settings, detail)
    })
}

/// How the client proves itself: by header, or with two more fields.
fn prove<'a>(endpoints: &'a OAuthEndpoints, form: &mut Vec<(String, String)>) -> Auth<'a> {
    if let (ClientAuth::Basic, Some(secret)) = (endpoints.client_auth, &endpoints.client_secret) {
        return Auth::Basic(&endpoints.client_id, secret);
    }
    form.push(("client_id".to_owned(), endpoints.client_id.clone()));
    if let Some(secret) = &endpoints.client_secret {
        form.push(("client_secret".to_owned(), secret.expose().to_owned()));
    }
    Auth::None
}

fn granted(json: &Value) -> Result<Granted, CommandError> {
    let text = |name: &str| json[name].as_str().filter(|text| !text.is_empty());
    let access_token = text("access_token").ok_or_else(|| {
        let detail = "The platform's answer to the sign-in names no token.";
        CommandError::new(Fault::Platform, detail)
    })?;
    let life = &json["expires_in"];
    let seconds = life.as_u64().or_else(|| life.as_str()?.trim().parse().ok());
    Ok(Granted {
        access_token: Secret::new(access_token),
        refresh_token: text("refresh_token").map(Secret::new),
        expires_in: seconds.map(Duration::from_secs),
    })
}

/// RFC 6749 section 5.2, wherever a vendor puts the word.
fn refused(answer: &Answer) -> CommandError {
    let words = [
        "/error",
        "/error/message",
        "/error_code",
        "/errors/0/errorCode",
    ];
    let word = words
        .iter()
        .find_map(|place| answer.json.pointer(place)?.as_str());
    let said = vendor::message(&answer.json);
    let told = |general: &str| match said.as_deref().filter(|said| Some(*said) != word) {
        Some(said) => format!("{general} The platform says: {said}"),
        None => general.to_owned(),
    };
    match (answer.status, word) {
        (400..=403, Some("invalid_grant")) => CommandError::new(
            Fault::Credentials,
            told("The platform no longer accepts the sign-in: sign in again."),
        ),
        (400..=403, Some("invalid_client" | "unauthorized_client")) => CommandError::new(
            Fault::Settings,
            told("The platform does not accept the connection's client id and secret."),
        ),
        (400..=403, _) => CommandError::new(
            Fault::Settings,
            told(
                "The platform does not accept the sign-in request: compare client id, scopes and \
                 redirect address with the app at the platform.",
            ),
        ),
        _ => match vendor::accepted(answer, false) {
            Err(error) => error,
            Ok(()) => CommandError::new(Fault::Platform, "The platform has a fault."),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_says_whose_fault_it_is() {
        for (status, body, fault) in [
            (400, json!({"error": "invalid_grant"}), Fault::Credentials),
            (
                400,
                json!({"error": {"code": 400, "message": "invalid_grant"}}),
                Fault::Credentials,
            ),
            (401, json!({"error": "invalid_client"}), Fault::Settings),
            (400, json!({"error": "invalid_scope"}), Fault::Settings),
            (400, Value::Null, Fault::Settings),
            (429, Value::Null, Fault::RateLimited),
            (503, json!({"error": "invalid_grant"}), Fault::Platform),
        ] {
            let answer = Answer {
                status,
                json: body.clone(),
                retry_after: None,
            };
            assert_eq!(refused(&answer).fault, fault, "{status} {body}");
        }
    }

    #[test]
    fn a_life_is_read_as_number_or_text() {
        for life in [json!(3600), json!("3600")] {
            let json = json!({"access_token": "a", "expires_in": life});
            let granted = granted(&json).unwrap();
            assert_eq!(granted.expires_in, Some(Duration::from_secs(3600)));
            assert!(granted.refresh_token.is_none());
        }
        assert!(granted(&json!({"expires_in": 1})).is_err());
    }
}
