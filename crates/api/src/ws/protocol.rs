//! The words of the socket: what clients may say, what the server says, and why it hangs up.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use switchhook_domain::Timestamp;
use switchhook_domain::id::AppId;
use switchhook_engine::store::Snapshot;
use uuid::Uuid;

use crate::answer::push_array;

/// The largest message a client may send, in bytes.
pub(crate) const MAX_MESSAGE: usize = 16 * 1024;

/// Why the server closes a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// The first message is not the one it should be.
    BadFirstMessage,
    /// The key is missing, wrong or revoked, or the session is over.
    Unauthorized,
    /// The app is switched off.
    InactiveApp,
    /// The key or token is good, but not for events.
    NotAllowed,
    /// The client does not keep up.
    TooSlow,
    /// The client says too much.
    TooMuch,
    /// The server is going down.
    GoingAway,
    /// A message is too large.
    TooLarge,
    /// Too many sockets, or the database is away: try again later.
    TryAgainLater,
    /// Nothing was heard for too long, or the connection broke: no frame is worth sending.
    Gone,
}

impl Close {
    /// The code of the close frame and its reason. `None` when nobody is there to read one.
    pub(crate) fn frame(self) -> Option<(u16, &'static str)> {
        match self {
            Self::BadFirstMessage => Some((4400, "the first message must be auth")),
            Self::Unauthorized => Some((4401, "the key or session is missing, wrong or revoked")),
            Self::InactiveApp => Some((4403, "the app is not active")),
            Self::NotAllowed => Some((4403, "the scope events:read is missing")),
            Self::TooSlow => Some((4408, "too slow: resume with the last seq")),
            Self::TooMuch => Some((4429, "too many messages: say less")),
            Self::GoingAway => Some((1001, "the server is going away: reconnect")),
            Self::TooLarge => Some((1009, "the message is too large")),
            Self::TryAgainLater => Some((1013, "try again later")),
            Self::Gone => None,
        }
    }
}

/// Where a client wants to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resume {
    /// The last `seq` it has seen.
    pub(crate) after: Option<u64>,
    /// The epoch that belongs to.
    pub(crate) epoch: Option<Uuid>,
}

/// What a client says first, when it has not shown its key in the handshake.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Auth {
    pub(crate) api_key: String,
    /// The app the key should be of, where the client says.
    pub(crate) app_id: Option<String>,
    pub(crate) resume: Resume,
}

#[derive(Deserialize)]
struct Said {
    r#type: String,
    #[serde(default)]
    api_key: Option<String>,
    #[serde(default)]
    app_id: Option<String>,
    #[serde(default)]
    after: Option<u64>,
    #[serde(default)]
    epoch: Option<Uuid>,
}

/// Reads a first message. `subscribe` is what the predecessor's guides told clients to send.
pub(crate) fn auth(text: &str) -> Option<Auth> {
    let said: Said = serde_json::from_str(text).ok()?;
    if !matches!(said.r#type.as_str(), "auth" | "subscribe") {
        return None;
    }
    let resume = Resume {
        after: said.after,
        epoch: said.epoch,
    };
    Some(Auth {
        api_key: said.api_key.unwrap_or_default(),
        app_id: said.app_id,
        resume,
    })
}

/// Whether a message is a ping. Everything else is not for us and is passed over.
pub(crate) fn is_ping(text: &str) -> bool {
    serde_json::from_str::<Said>(text).is_ok_and(|said| said.r#type == "ping")
}

/// The answer to a ping.
pub(crate) fn pong(now: Timestamp) -> Bytes {
    format!(r#"{{"type":"pong","server_time":"{now:.3}"}}"#).into()
}

/// The first frame of the server.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "hello")]
pub(crate) struct Hello {
    pub(crate) app_id: AppId,
    pub(crate) epoch: Uuid,
    pub(crate) seq: u64,
    pub(crate) recovered: bool,
    /// Why a resume that was asked for is not possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    pub(crate) server_time: String,
    pub(crate) ping_seconds: u64,
}

impl Hello {
    pub(crate) fn frame(&self) -> Bytes {
        // Texts and numbers: writing them into memory cannot fail.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

/// The open calls and the position they are true for.
pub(crate) fn snapshot(snapshot: &Snapshot) -> Bytes {
    let Snapshot { epoch, seq, calls } = snapshot;
    let size: usize = calls.iter().map(|call| call.len() + 1).sum();
    let mut text = Vec::with_capacity(size + 128);
    let head = format!(r#"{{"type":"snapshot","epoch":"{epoch}","seq":{seq},"calls":"#);
    text.extend_from_slice(head.as_bytes());
    push_array(&mut text, calls);
    text.push(b'}');
    text.into()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_first_message_is_auth_or_nothing() {
        let epoch = Uuid::from_u128(7);
        let text = format!(r#"{{"type":"auth","api_key":"k","after":5,"epoch":"{epoch}"}}"#);
        let auth_ = auth(&text).unwrap();
        assert_eq!(auth_.api_key, "k");
        assert_eq!(
            auth_.resume,
            Resume {
                after: Some(5),
                epoch: Some(epoch)
            }
        );
        assert!(auth(r#"{"type":"subscribe","app_id":"x","api_key":"k"}"#).is_some());
        for bad in [
            "",
            "x",
            "{}",
            "[]",
            r#"{"type":"ping"}"#,
            r#"{"type":"auth","after":-1}"#,
        ] {
            assert_eq!(auth(bad), None, "{bad}");
        }
    }

    #[test]
    fn frames_are_json() {
        let now = Timestamp::from_millisecond(1_795_312_358_086).unwrap();
        let hello = Hello {
            app_id: AppId(Uuid::from_u128(1)),
            epoch: Uuid::from_u128(2),
            seq: 120,
            recovered: false,
            reason: Some("epoch_changed"),
            server_time: crate::answer::time(now),
            ping_seconds: 30,
        };
        let hello: Value = serde_json::from_slice(&hello.frame()).unwrap();
        assert_eq!(hello["type"], "hello");
        assert_eq!(hello["reason"], "epoch_changed");
        assert_eq!(hello["server_time"], "2026-11-22T01:52:38.086Z");
        let calls = vec![r#"{"id":"a"}"#.to_owned(), r#"{"id":"b"}"#.to_owned()];
        let snapshot_ = Snapshot {
            epoch: Uuid::from_u128(2),
            seq: 3,
            calls,
        };
        let frame: Value = serde_json::from_slice(&snapshot(&snapshot_)).unwrap();
        assert_eq!(frame["calls"][1]["id"], "b");
        let pong: Value = serde_json::from_slice(&pong(now)).unwrap();
        assert_eq!(pong["type"], "pong");
        assert!(is_ping(r#"{"type":"ping"}"#));
        assert!(!is_ping("ping"));
    }
}
