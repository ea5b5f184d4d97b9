//! Opening the socket: a token for it by a signed-in request, then the handshake with the token
//! in the address. The address is RingCentral's to name, or whoever's the connection's server is,
//! so it is judged like any other before it is called; and because the token stands in it, it is
//! in no error and no log line.

use reqwest::{Method, Url};
use serde_json::Value;
use switchhook_engine::adapter::{LinkError, Secret};
use switchhook_engine::command::{CommandError, Fault, Session};
use switchhook_engine::outbound::{Reach, Refused};

use super::super::api;
use crate::upgrade::{Refusal, Socket, upgrade};

/// Where tokens for sockets are. Each is good for one connection within half a minute.
const TOKEN: &str = "/restapi/oauth/wstoken";
/// The largest message; real ones have a few kilobytes.
const MAX_MESSAGE: usize = 1024 * 1024;

/// A socket that may be opened once.
pub(super) struct Ticket {
    uri: String,
    token: Secret,
}

/// What a lack of the permission means.
const NO_PERMISSION: &str = "The app lacks the permission WebSockets \
    Subscriptions (WebSocketsSubscription): add it in RingCentral's developer console, then sign \
    in again; or let events come by webhook.";

/// Asks for a socket.
pub(super) async fn ticket(session: &Session) -> Result<Ticket, CommandError> {
    let answer = api::ask(session, Method::POST, TOKEN, api::AUTH, None).await;
    let answer = answer.map_err(|error| match error.fault {
        Fault::Permission => CommandError::new(Fault::Permission, NO_PERMISSION),
        _ => error,
    })?;
    let word = |name| answer.json.get(name).and_then(Value::as_str);
    match (word("uri"), word("ws_access_token")) {
        (Some(uri), Some(token)) if !token.is_empty() => Ok(Ticket {
            uri: uri.to_owned(),
            token: Secret::new(token),
        }),
        _ => Err(no_address()),
    }
}

fn no_address() -> CommandError {
    let detail = "RingCentral gave out a socket and did not say where it is.";
    CommandError::new(Fault::Platform, detail)
}

/// The address of the socket, for an HTTP client. It is not encrypted only where the REST API is
/// not either.
fn address(server: &str, ticket: &Ticket, recover: Option<&Secret>) -> Result<Url, CommandError> {
    let plain = server.starts_with("http://");
    let rest = match ticket.uri.split_once("://") {
        Some(("wss", rest)) => format!("https://{rest}"),
        Some(("ws", rest)) if plain => format!("http://{rest}"),
        _ => return Err(no_address()),
    };
    let mut url = Url::parse(&rest).map_err(|_| no_address())?;
    let mut query = url.query_pairs_mut();
    query.append_pair("access_token", ticket.token.expose());
    if let Some(wsc) = recover {
        query.append_pair("wsc", wsc.expose());
    }
    drop(query);
    Ok(url)
}

/// Opens the socket; with `recover` to go on with a former session.
pub(super) async fn open(
    session: &Session,
    ticket: &Ticket,
    recover: Option<&Secret>,
) -> Result<Socket, LinkError> {
    let connection = &session.connection;
    let url = address(api::server(connection), ticket, recover).map_err(super::broken)?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let refused = |refused: &Refused| {
        LinkError::Retry(format!(
            "the address RingCentral names for the socket {refused}"
        ))
    };
    let outbound = &connection.outbound;
    outbound
        .check(Reach::Cloud, &url)
        .map_err(|error| refused(&error))?;
    let client = outbound
        .client(Reach::Cloud)
        .http1_only()
        .build()
        .map_err(|error| LinkError::Misconfigured(format!("no HTTP client: {error}")))?;
    let opened = upgrade(client.get(url), MAX_MESSAGE).await;
    opened.map_err(|refusal| match refusal {
        Refusal::Broken(error) => match Refused::within(&error) {
            Some(error) => refused(error),
            None => LinkError::Retry(format!(
                "RingCentral's socket at {host} cannot be reached: look at this server's way to \
                 the internet"
            )),
        },
        Refusal::Status(status) => LinkError::Retry(format!(
            "RingCentral's socket at {host} answered with HTTP status {status}; a proxy on the \
             way must let WebSockets through"
        )),
        Refusal::NoWebSocket => {
            LinkError::Retry(format!("what answers at {host} is no WebSocket server"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(uri: &str) -> Ticket {
        Ticket {
            uri: uri.to_owned(),
            token: Secret::new("a b&c"),
        }
    }

    #[test]
    fn the_token_is_part_of_the_address_and_nothing_else() {
        let wss = ticket("wss://ws-api.example.com/ws");
        let url = address("https://platform.example.com", &wss, None).unwrap();
        assert_eq!(
            url.as_str(),
            "https://ws-api.example.com/ws?access_token=a+b%26c"
        );
        let wsc = Secret::new("x=y");
        let url = address("https://platform.example.com", &wss, Some(&wsc)).unwrap();
        assert!(
            url.as_str().ends_with("?access_token=a+b%26c&wsc=x%3Dy"),
            "{url}"
        );
    }

    #[test]
    fn a_token_is_never_sent_in_the_clear_to_the_internet() {
        let clear = ticket("ws://ws-api.example.com/ws");
        assert!(address("https://platform.example.com", &clear, None).is_err());
        assert!(address("http://127.0.0.1:1", &clear, None).is_ok());
        for none in [
            "",
            "https://x.example",
            "file:///etc/passwd",
            "wss://",
            "ws-api",
        ] {
            assert!(
                address("https://a.example", &ticket(none), None).is_err(),
                "{none}"
            );
        }
    }
}
