//! The live connections when the other side misbehaves: what the administrator is told, and that
//! a link which is no link any more is left.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use switchhook_adapters::asterisk::Asterisk;
use switchhook_domain::signal::{Fact, LegFact, LegKind, Signal};
use switchhook_engine::adapter::{Adapter, ConnectionContext, LinkError, LinkState};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::fake::{FakeAri, Heard, Sink, connection, head, listen, manager_login, say};

const RINGING: &str = r#"[{"id":"17.1","name":"PJSIP/trunk-00000001","state":"Up",
    "caller":{"name":"Jan","number":"+31612345678"},"connected":{"name":"","number":""},
    "dialplan":{"context":"from-pstn","exten":"1","app_name":"Dial","app_data":""},
    "creationtime":"2026-11-22T11:58:00.000+0000"}]"#;
const HOLD: &str = r#"{"type":"ChannelHold","timestamp":"2026-11-22T11:59:59.500+0000",
    "channel":{"id":"17.1","name":"PJSIP/trunk-00000001","state":"Up"}}"#;

struct Running {
    sink: Arc<Sink>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), LinkError>>,
}

fn start(connection: Arc<ConnectionContext>) -> Running {
    let (sink, stop) = (Arc::<Sink>::default(), CancellationToken::new());
    let task = tokio::spawn({
        let (sink, stop) = (Arc::clone(&sink), stop.clone());
        async move { Asterisk.connect(connection, sink, stop).await }
    });
    Running { sink, stop, task }
}

impl Running {
    async fn ended(self) -> Result<(), LinkError> {
        tokio::time::timeout(Duration::from_secs(300), self.task)
            .await
            .expect("it ends")
            .unwrap()
    }

    async fn retry(self) -> String {
        match self.ended().await {
            Err(LinkError::Retry(reason)) => reason,
            other => panic!("expected a retry, got {other:?}"),
        }
    }

    async fn misconfigured(self) -> String {
        match self.ended().await {
            Err(LinkError::Misconfigured(reason)) => reason,
            other => panic!("expected a fault of the settings, got {other:?}"),
        }
    }
}

fn snapshot(heard: &[Heard]) -> &[Signal] {
    heard
        .iter()
        .find_map(|heard| match heard {
            Heard::Signals(signals) => Some(signals.as_slice()),
            Heard::Frame(_) | Heard::Link(_) => None,
        })
        .expect("a snapshot")
}

#[tokio::test]
async fn ari_calls_in_progress_come_first_and_events_wait_for_them() {
    let ari = FakeAri {
        channels: RINGING,
        slow: Duration::from_millis(300),
        ..FakeAri::default()
    };
    let (connection, mut sockets) = ari.start().await;
    let running = start(connection);
    let mut socket = sockets.recv().await.unwrap();
    socket.send(Message::text(HOLD)).await.unwrap();
    running.sink.up().await;
    let heard = running.sink.all();
    let signals = snapshot(&heard);
    let Fact::Snapshot { live, gap_from } = &signals[0].fact else {
        panic!("{signals:?}")
    };
    assert!(live.contains("17.1") && live.len() == 1);
    assert_eq!(gap_from.unwrap().to_string(), "2026-11-22T11:00:00Z");
    assert_eq!(
        signals[0].at.to_string(),
        "2026-11-22T11:59:59Z",
        "the PBX's time, not ours"
    );
    assert!(signals.iter().any(|signal| matches!(
        &signal.fact,
        Fact::Leg { fact: LegFact::Seen { kind: LegKind::External, origin: true, party }, .. }
            if party.number.is_some()
    )));
    let order: Vec<_> = heard.iter().map(std::mem::discriminant).collect();
    let frame = Heard::Frame(HOLD.to_owned());
    let expected = [&heard[0], &frame, &Heard::Link(LinkState::Up)];
    assert_eq!(
        order,
        expected.map(std::mem::discriminant),
        "snapshot, frames, link"
    );
    running.stop.cancel();
    assert!(running.ended().await.is_ok());
    let end = tokio::time::timeout(Duration::from_secs(2), socket.next())
        .await
        .unwrap();
    assert!(matches!(end, Some(Ok(Message::Close(_))) | None), "{end:?}");
}

#[tokio::test]
async fn ari_garbage_is_handed_on_and_noise_is_not() {
    let (connection, mut sockets) = FakeAri::default().start().await;
    let running = start(connection);
    let mut socket = sockets.recv().await.unwrap();
    running.sink.up().await;
    let pin = r#"{"type":"ChannelDtmfReceived","timestamp":"2026-11-22T11:59:59.500+0000",
        "digit":"7","channel":{"id":"17.1","name":"PJSIP/100-00000001"}}"#;
    for text in [
        pin,
        "{not json",
        "",
        r#"{"type":"Novelty","timestamp":"2026-11-22T12:00:00Z"}"#,
    ] {
        socket.send(Message::text(text)).await.unwrap();
    }
    socket
        .send(Message::binary(vec![0xff_u8, 0, 1]))
        .await
        .unwrap();
    socket.send(Message::text(HOLD)).await.unwrap();
    running
        .sink
        .until(|heard| heard.contains(&Heard::Frame(HOLD.to_owned())))
        .await;
    let frames = running.sink.frames();
    assert_eq!(frames.len(), 4, "{frames:?}");
    assert_eq!(frames[0], "{not json");
    running.stop.cancel();
    assert!(running.ended().await.is_ok());
}

#[tokio::test]
async fn ari_a_silent_link_is_left() {
    let (connection, mut sockets) = FakeAri::default().start().await;
    let running = start(connection);
    let _never_read = sockets.recv().await.unwrap();
    running.sink.up().await;
    tokio::time::pause();
    assert!(running.retry().await.contains("half a minute"));
}

#[tokio::test]
async fn ari_a_name_taken_over_is_told_and_the_silent_socket_closed() {
    let (connection, mut sockets) = FakeAri::default().start().await;
    let running = start(connection);
    let mut socket = sockets.recv().await.unwrap();
    running.sink.up().await;
    let replaced = r#"{"type":"ApplicationReplaced","timestamp":"2026-11-22T12:00:00.000+0000",
        "application":"switchhook"}"#;
    socket.send(Message::text(replaced)).await.unwrap();
    let reason = running.retry().await;
    assert!(
        reason.contains("another system") && reason.contains("`switchhook`"),
        "{reason}"
    );
    assert!(matches!(
        socket.next().await,
        Some(Ok(Message::Close(_))) | None
    ));
}

#[tokio::test]
async fn ari_an_oversized_frame_ends_the_link_and_not_the_memory() {
    let (connection, mut sockets) = FakeAri::default().start().await;
    let running = start(connection);
    let mut socket = sockets.recv().await.unwrap();
    running.sink.up().await;
    let _ = socket
        .send(Message::text("x".repeat(2 * 1024 * 1024)))
        .await;
    assert!(running.retry().await.contains("broke"));
}

#[tokio::test]
async fn ari_a_half_closed_socket_ends_the_link() {
    let (connection, mut sockets) = FakeAri::default().start().await;
    let running = start(connection);
    let mut socket = sockets.recv().await.unwrap();
    running.sink.up().await;
    socket.get_mut().shutdown().await.unwrap();
    running.retry().await;
}

#[tokio::test]
async fn ari_a_refusal_says_what_to_do() {
    for (status, words) in [(401, "password"), (403, "ari.conf"), (302, "redirect")] {
        let ari = FakeAri {
            status,
            ..FakeAri::default()
        };
        let reason = start(ari.start().await.0).misconfigured().await;
        assert!(reason.contains(words), "{status}: {reason}");
    }
    // A PBX that is starting says 404 until its modules are loaded: it is tried again soon.
    for (status, words) in [(404, "ari.conf"), (503, "503")] {
        let ari = FakeAri {
            status,
            ..FakeAri::default()
        };
        assert!(start(ari.start().await.0).retry().await.contains(words));
    }
    let nobody = connection(&json!({"url": "http://127.0.0.1:1"}));
    let reason = start(nobody).retry().await;
    assert!(
        reason.contains("127.0.0.1 port 1") && !reason.contains("app="),
        "{reason}"
    );
}

const LOGIN: &str = "Response: Success\r\nMessage: Authentication accepted\r\n";
const LISTS: &str = "Response: Success\r\nActionID: sh-time\r\nPing: Pong\r\n\
    Timestamp: 1795312699.5\r\n\r\n\
    Event: BridgeListItem\r\nActionID: sh-bridges\r\nBridgeUniqueid: b1\r\n\
    BridgeTechnology: holding_bridge\r\n\r\n\
    Event: CoreShowChannel\r\nActionID: sh-channels\r\nChannel: PJSIP/100-00000045\r\n\
    ChannelStateDesc: Up\r\nUniqueid: 17.2\r\nLinkedid: 17.1\r\nBridgeId: b2\r\n\
    Application: AppDial\r\n\r\n\
    Event: CoreShowChannel\r\nActionID: sh-channels\r\nChannel: PJSIP/trunk-00000044\r\n\
    ChannelStateDesc: Up\r\nUniqueid: 17.9\r\nLinkedid: 17.9\r\nBridgeId: b1\r\n\r\n";
const COMPLETE: &str = "Event: CoreShowChannelsComplete\r\nActionID: sh-channels\r\n\
    EventList: Complete\r\nListItems: 2\r\n\r\n";
const UNHOLD: &str = "Event: Unhold\r\nChannel: PJSIP/100-00000045\r\nUniqueid: 17.2\r\n\r\n";

async fn ami() -> (tokio::net::TcpListener, Running) {
    let (listener, port) = listen().await;
    let settings = json!({"transport": "ami", "ami_host": "127.0.0.1", "ami_port": port});
    let running = start(connection(&settings));
    (listener, running)
}

#[tokio::test]
async fn ami_logs_in_by_challenge_lists_and_dates_what_has_no_date() {
    let (listener, running) = ami().await;
    let (mut stream, _) = listener.accept().await.unwrap();
    manager_login(&mut stream, LOGIN).await;
    for _ in 0..4 {
        assert!(head(&mut stream).await.starts_with("Action: "));
    }
    say(&mut stream, LISTS).await;
    say(&mut stream, UNHOLD).await;
    // In pieces, as TCP may deliver it.
    let (first, rest) = COMPLETE.split_at(60);
    say(&mut stream, first).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(
        running.sink.all().is_empty(),
        "nothing is told before the list is complete"
    );
    say(&mut stream, rest).await;
    running.sink.up().await;
    let heard = running.sink.all();
    let signals = snapshot(&heard);
    assert_eq!(signals[0].at.to_string(), "2026-11-22T01:58:19.5Z");
    let Fact::Snapshot { live, .. } = &signals[0].fact else {
        panic!("{signals:?}")
    };
    assert_eq!(
        live.iter().map(String::as_str).collect::<Vec<_>>(),
        ["17.2", "17.9"]
    );
    let joined: Vec<&Signal> = signals
        .iter()
        .filter(|s| {
            matches!(
                &s.fact,
                Fact::Leg {
                    fact: LegFact::Joined { .. },
                    ..
                }
            )
        })
        .collect();
    assert_eq!(joined.len(), 1, "a holding bridge joins nobody: {joined:?}");
    let frames = running.sink.frames();
    assert!(frames[0].contains("Event: Unhold"), "{frames:?}");
    assert!(
        frames[0].contains("Timestamp: 1795348800.500000"),
        "{frames:?}"
    );
    assert!(
        !Asterisk
            .decode(frames[0].as_bytes(), &connection(&json!({})))
            .unwrap()
            .signals
            .is_empty()
    );
    say(
        &mut stream,
        "Event: DTMFEnd\r\nDigit: 7\r\nUniqueid: 17.2\r\n\r\nrubbish\r\n\r\n",
    )
    .await;
    running
        .sink
        .until(|heard| heard.contains(&Heard::Frame("rubbish\r\n".to_owned())))
        .await;
    assert_eq!(
        running.sink.frames().len(),
        2,
        "keys that callers press go no further"
    );
    running.stop.cancel();
    assert!(running.ended().await.is_ok());
}

#[tokio::test]
async fn ami_without_the_right_to_list_still_listens() {
    let (listener, running) = ami().await;
    let (mut stream, _) = listener.accept().await.unwrap();
    manager_login(&mut stream, LOGIN).await;
    let denied = "Response: Error\r\nActionID: sh-channels\r\nMessage: Permission denied\r\n\r\n";
    say(&mut stream, denied).await;
    running.sink.up().await;
    assert_eq!(running.sink.all(), [Heard::Link(LinkState::Up)]);
    drop(stream);
    running.retry().await;
}

#[tokio::test]
async fn ami_a_silent_link_is_left() {
    let (listener, running) = ami().await;
    let (mut stream, _) = listener.accept().await.unwrap();
    manager_login(&mut stream, LOGIN).await;
    say(&mut stream, COMPLETE).await;
    running.sink.up().await;
    tokio::time::pause();
    assert!(running.retry().await.contains("half a minute"));
}

#[tokio::test]
async fn ami_a_refusal_says_what_to_do() {
    let (listener, running) = ami().await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let refusal = "Response: Error\r\nMessage: Authentication failed\r\n";
    manager_login(&mut stream, refusal).await;
    assert!(running.misconfigured().await.contains("manager.conf"));

    let (listener, running) = ami().await;
    let (mut stream, _) = listener.accept().await.unwrap();
    say(&mut stream, "SSH-2.0-OpenSSH_10.2\r\n").await;
    assert!(running.misconfigured().await.contains("not the port"));

    let (listener, running) = ami().await;
    drop(listener);
    running.retry().await;
}

#[tokio::test]
async fn ami_a_message_without_an_end_ends_the_link_and_not_the_memory() {
    let (listener, running) = ami().await;
    let (mut stream, _) = listener.accept().await.unwrap();
    manager_login(&mut stream, LOGIN).await;
    say(&mut stream, COMPLETE).await;
    running.sink.up().await;
    let endless = "Key: value\r\n".repeat(20_000);
    let _ = stream.write_all(endless.as_bytes()).await;
    assert!(running.retry().await.contains("without an end"));
}
