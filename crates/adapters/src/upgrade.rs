//! The WebSocket handshake (RFC 6455 §4.1) as an HTTP request, so that certificates, time limits,
//! the addresses that may be called and status codes are handled in one place, the HTTP client.
//! Not here: what a refusal means to the administrator.

use reqwest::{RequestBuilder, StatusCode, Upgraded, header};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// A socket we opened.
pub(crate) type Socket = WebSocketStream<Upgraded>;

/// Why there is no socket.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The exchange broke. The error's own text may hold the address.
    Broken(reqwest::Error),
    /// The other side answered with this status in place of 101.
    Status(u16),
    /// It answered 101 as no WebSocket server does.
    NoWebSocket,
}

/// Shakes hands. The request must be a `GET` by a client that speaks HTTP/1.1 alone; messages of
/// more than `max_message` bytes end the socket.
pub(crate) async fn upgrade(
    request: RequestBuilder,
    max_message: usize,
) -> Result<Socket, Refusal> {
    let key = generate_key();
    let request = request
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, &key);
    let response = request.send().await.map_err(Refusal::Broken)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refusal::Status(response.status().as_u16()));
    }
    let accept = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    if accept.map(|value| value.as_bytes()) != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err(Refusal::NoWebSocket);
    }
    let stream = response.upgrade().await.map_err(Refusal::Broken)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message));
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await)
}
