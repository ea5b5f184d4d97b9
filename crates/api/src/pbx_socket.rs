//! `GET /asterisk/{hook_id}`: where a PBX opens its WebSocket to us. Who it is is decided by the
//! adapter on the headers of the handshake; what is said on the socket is the adapter's matter
//! too. Here it is upgraded and handed on.

use async_trait::async_trait;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use switchhook_engine::adapter::FrameSocket;
use switchhook_engine::connections::ReadyConnection;

use crate::openapi::errors;
use crate::problem::{Code, Problem};
use crate::state::{Inner, Shared};
use crate::webhooks::Parts;

/// The platform that opens sockets to us.
const PLATFORM: &str = "asterisk";
/// The subprotocol it speaks (`protocols=ari` in `websocket_client.conf`).
const PROTOCOL: &str = "ari";
/// The largest message: the list of some ten thousand channels.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

errors!(PbxErrors: [
    SignatureInvalid, HookNotFound, UpgradeRequired, ConnectionUnusable, StoreUnavailable,
    ShuttingDown,
]);

/// Connect a PBX
///
/// A WebSocket that an Asterisk opens to us (`type=outbound_websocket`, subprotocol `ari`). The
/// password is the connection's webhook secret, by HTTP Basic; any user name will do. A newer
/// socket takes the place of an older one of the same connection.
#[utoipa::path(
    get, path = "/asterisk/{hook_id}", tag = "Webhooks", operation_id = "connect_pbx",
    params(("hook_id" = String, Path, description = "The opaque id of the connection's hook.")),
    responses((status = 101, description = "The socket is open."), PbxErrors),
    security(()),
)]
pub(crate) async fn connect(
    State(shared): State<Shared>,
    Path(hook_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let connection = awaited(&shared, &hook_id).await?;
    let parts = Parts::of(&headers, &uri);
    if connection
        .adapter
        .verify(&parts.inbound(&[]), &connection.context)
        .is_err()
    {
        return Ok(refused());
    }
    let upgrade = upgrade.map_err(|_| {
        let detail = "This address speaks WebSocket: set uri= in websocket_client.conf to it. A \
                      proxy in between must pass Upgrade and Connection on.";
        Problem::new(Code::UpgradeRequired, detail)
    })?;
    if shared.stop.is_cancelled() {
        let detail = "The server is shutting down. Try again in a moment.";
        return Err(Problem::new(Code::ShuttingDown, detail));
    }
    let tracker = shared.sockets.clone();
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE);
    Ok(upgrade.on_upgrade(move |socket| {
        tracker.track_future(async move {
            let stop = shared.stop.clone();
            let socket = Box::new(PbxSocket(socket));
            shared.links.serve(&connection, socket, stop).await;
        })
    }))
}

/// The connection of that hook, if it waits for a socket.
async fn awaited(shared: &Inner, hook_id: &str) -> Result<ReadyConnection, Problem> {
    let found = shared.connections.by_hook(hook_id).await;
    let found = found.map_err(|_| {
        let detail = "The database does not answer. Try again in a moment.";
        Problem::new(Code::StoreUnavailable, detail)
    })?;
    let waits = |c: &ReadyConnection| {
        c.row.platform == PLATFORM && c.app.active && c.adapter.awaits_socket(&c.context)
    };
    let connection = found.filter(waits);
    let connection = connection.ok_or_else(|| {
        let detail = "No connection waits for a socket at this address. Copy it from the \
                      connection again, and see that its interface is ari_outbound.";
        Problem::new(Code::HookNotFound, detail)
    })?;
    if connection.fault.is_some() {
        let detail = "The connection cannot be used at the moment. Its operator is told why.";
        return Err(Problem::new(Code::ConnectionUnusable, detail));
    }
    Ok(connection)
}

/// 401 with the challenge that HTTP asks for.
fn refused() -> Response {
    let detail = "The secret is not the connection's: compare password= in \
                  websocket_client.conf with its webhook secret.";
    let problem = Problem::new(Code::SignatureInvalid, detail);
    let mut response = problem
        .with_status(StatusCode::UNAUTHORIZED)
        .into_response();
    let challenge = HeaderValue::from_static("Basic realm=\"switchhook\"");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// The framework's socket as adapters see it. Pings are answered by the framework.
struct PbxSocket(WebSocket);

#[async_trait]
impl FrameSocket for PbxSocket {
    async fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.0.recv().await?.ok()? {
                Message::Text(text) => return Some(text.as_bytes().to_vec()),
                Message::Binary(bytes) => return Some(bytes.to_vec()),
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Close(_) => return None,
            }
        }
    }

    async fn send(&mut self, text: String) -> bool {
        self.0.send(Message::Text(text.into())).await.is_ok()
    }
}
