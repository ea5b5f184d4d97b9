//! What happens on one connection: the server's first word, the subscription, events on their way
//! to the engine, signs of life both ways, and which ends are on schedule.
//!
//! RingCentral pings and wants an answer within ten seconds, which the protocol's own layer gives.
//! We send its `Heartbeat` messages, which come back from RingCentral itself, where a ping might
//! be answered by something on the way.

use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_engine::adapter::{LinkError, LinkState, NotificationSink};
use switchhook_engine::command::Session;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite;

use super::super::api;
use super::frames::{self, Details, Kind, Message};
use super::memory::Memory;
use super::subscribed::{Answer, Asked};
use super::{End, PATIENCE, broken, gap, retry};
use crate::upgrade::Socket;

/// How long RingCentral may be silent before it is asked for a sign of life: the least its guide
/// allows.
const QUIET: Duration = Duration::from_secs(30);
/// How many questions may go by without any sign before the link is given up.
const UNANSWERED: u32 = 2;
/// RingCentral's code of a connection that was silent for too long.
const IDLE: &str = "WSG-902";
/// RingCentral's code of a connection that lasted as long as any may.
const ABSOLUTE: &str = "WSG-903";

type Writer = SplitSink<Socket, tungstenite::Message>;
type Reader = SplitStream<Socket>;
type Filling<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Listens until the connection ends.
pub(super) async fn listen(
    session: &Session,
    sink: &dyn NotificationSink,
    memory: &mut Memory,
    (writer, reader): (&mut Writer, &mut Reader),
) -> Result<End, LinkError> {
    let details = match timeout(PATIENCE, first_word(memory, reader)).await {
        Ok(details) => details?,
        Err(_) => return Err(retry("RingCentral opened a socket and said nothing")),
    };
    let mut link = Link::new(session, sink, memory, writer, &details);
    link.begin(&details).await?;
    loop {
        let due = link.due();
        let ended = tokio::select! {
            message = reader.next() => link.hear(message).await?,
            () = read(&mut link.filling) => {
                link.filled();
                None
            }
            () = sleep_until(due) => {
                link.on_time().await?;
                None
            }
        };
        if let Some(end) = ended {
            return Ok(end);
        }
    }
}

/// Waits for the call log, when it is being read.
async fn read(filling: &mut Option<Filling<'_>>) {
    match filling {
        Some(filling) => filling.as_mut().await,
        None => std::future::pending().await,
    }
}

/// Waits for the server to say how the connection is; nothing may be asked before.
async fn first_word(memory: &mut Memory, reader: &mut Reader) -> Result<Details, LinkError> {
    while let Some(message) = reader.next().await {
        let text = match message {
            Ok(tungstenite::Message::Text(text)) => text,
            Ok(tungstenite::Message::Close(_)) | Err(_) => break,
            Ok(_) => continue,
        };
        let Some(message) = Message::read(text.as_bytes()) else {
            continue;
        };
        match message.meta.kind {
            Kind::ConnectionDetails => {
                let details = message.details();
                let details = details.ok_or_else(|| {
                    retry("RingCentral opened a socket and did not say how it is used")
                })?;
                if !details.is_recovered() {
                    memory.end_session();
                }
                // The name of a session that goes on may begin to count anew.
                memory.wsc = message.meta.wsc.clone().or(memory.wsc.take());
                return Ok(details);
            }
            Kind::Error => {
                // It may be the session that RingCentral does not know any more: without it the
                // next try works.
                memory.end_session();
                return Err(refused(&message.json()));
            }
            _ => {}
        }
    }
    Err(retry("RingCentral closed the connection"))
}

fn refused(body: &Value) -> LinkError {
    let code = code(body);
    retry(format!(
        "RingCentral ended the connection with the error {code}"
    ))
}

/// RingCentral's code of an error, fit to be shown.
fn code(body: &Value) -> String {
    let code = api::error_code(body).chars();
    let plain = code.filter(|c| c.is_ascii_alphanumeric() || *c == '-');
    let code: String = plain.take(32).collect();
    if code.is_empty() {
        "without a code".to_owned()
    } else {
        code
    }
}

/// One connection, after the server's first word.
struct Link<'a> {
    session: &'a Session,
    sink: &'a dyn NotificationSink,
    memory: &'a mut Memory,
    writer: &'a mut Writer,
    /// How long each side may be silent.
    quiet: (Duration, Duration),
    /// When this connection has lasted as long as any may.
    over_at: Instant,
    /// When the server was last heard, and when we last said something.
    heard_at: Instant,
    said_at: Instant,
    unanswered: u32,
    asked: Option<Asked>,
    renew_at: Option<Instant>,
    /// The call log being read; `gap_from` of the memory stands until it was read once.
    filling: Option<Filling<'a>>,
    filling_from: Option<Timestamp>,
    /// Since when this connection stands, and how many older events it brought: RingCentral keeps
    /// no more than it says.
    opened_at: Timestamp,
    replayed: u32,
    most_replayed: u32,
}

impl<'a> Link<'a> {
    fn new(
        session: &'a Session,
        sink: &'a dyn NotificationSink,
        memory: &'a mut Memory,
        writer: &'a mut Writer,
        details: &Details,
    ) -> Self {
        let now = Instant::now();
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds.max(1)));
        let said = seconds(details.idle_timeout) / 3;
        memory.recovery = details.recovery_timeout;
        Self {
            session,
            sink,
            memory,
            writer,
            quiet: (QUIET.min(said), said),
            over_at: now + seconds(details.absolute_timeout),
            heard_at: now,
            said_at: now,
            unanswered: 0,
            asked: None,
            renew_at: None,
            filling: None,
            filling_from: None,
            opened_at: sink.now(),
            replayed: 0,
            most_replayed: details.recovery_buffer_size.max(1),
        }
    }

    /// Goes on with the former session, or subscribes anew and looks up what was missed.
    async fn begin(&mut self, details: &Details) -> Result<(), LinkError> {
        let id = self.session.connection.id;
        if details.is_recovered() {
            tracing::debug!(connection.id = %id, "the session goes on");
            self.sink.link(LinkState::Up).await;
        } else {
            if let Some(code) = &details.recovery_error_code {
                tracing::debug!(connection.id = %id, code, "the session cannot go on");
            }
            let known = self.memory.alive_at.or_else(|| self.sink.last_heard());
            self.memory.gap_from = self.memory.gap_from.or(known);
            self.subscribe().await?;
        }
        self.memory.alive_at = Some(self.opened_at);
        self.fill();
        Ok(())
    }

    async fn subscribe(&mut self) -> Result<(), LinkError> {
        let (asked, text) = Asked::subscribe();
        self.asked = Some(asked);
        self.renew_at = None;
        self.say(text).await
    }

    async fn say(&mut self, text: String) -> Result<(), LinkError> {
        self.said_at = Instant::now();
        let sent = self.writer.send(tungstenite::Message::text(text));
        match timeout(PATIENCE, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(retry("RingCentral closed the connection")),
            Err(_) => Err(stalled()),
        }
    }

    /// Begins to read the call log, when there is a gap and it is not being read for the first
    /// time already. A second reading that still waits is given up: this one reaches as far.
    fn fill(&mut self) {
        if let (Some(from), None) = (self.memory.gap_from, self.filling_from) {
            self.filling_from = Some(from);
            self.filling = Some(self.look(from, Duration::ZERO));
        }
    }

    fn look(&self, from: Timestamp, after: Duration) -> Filling<'a> {
        Box::pin(gap::fill(self.session, self.sink, from, after))
    }

    /// The call log was read; the first time it is read once more, later.
    fn filled(&mut self) {
        self.filling = None;
        if let Some(from) = self.filling_from.take() {
            self.memory.gap_from = None;
            self.filling = Some(self.look(from, gap::AGAIN_AFTER));
        }
    }

    /// When something is to be done at the latest.
    fn due(&self) -> Instant {
        let (heard, said) = (self.heard_at + self.quiet.0, self.said_at + self.quiet.1);
        // While a question is open the next one has to wait its time too.
        let beat = heard.max(self.said_at + self.quiet.0).min(said);
        let asked = self.asked.as_ref().map(|asked| asked.until);
        let others = [asked, self.renew_at];
        others.into_iter().flatten().fold(beat, Instant::min)
    }

    async fn on_time(&mut self) -> Result<(), LinkError> {
        let now = Instant::now();
        if self.asked.as_ref().is_some_and(|asked| asked.until <= now) {
            return Err(retry(
                "RingCentral did not answer a request over its socket in time",
            ));
        }
        if self.renew_at.is_some_and(|at| at <= now) {
            self.renew_at = None;
            if let (Some(id), None) = (&self.memory.subscription, &self.asked) {
                let (asked, text) = Asked::renew(id);
                self.asked = Some(asked);
                return self.say(text).await;
            }
        }
        let (quiet, said) = self.quiet;
        let silent = now >= self.heard_at + quiet && now >= self.said_at + quiet;
        if !silent && now < self.said_at + said {
            return Ok(());
        }
        if self.unanswered >= UNANSWERED {
            return Err(stalled());
        }
        self.unanswered += 1;
        self.say(frames::heartbeat()).await
    }

    async fn hear(
        &mut self,
        message: Option<Result<tungstenite::Message, tungstenite::Error>>,
    ) -> Result<Option<End>, LinkError> {
        let text = match message {
            Some(Ok(tungstenite::Message::Text(text))) => text.as_bytes().to_vec(),
            Some(Ok(tungstenite::Message::Binary(bytes))) => bytes.to_vec(),
            Some(Ok(tungstenite::Message::Close(_))) | None => return self.closed(),
            Some(Ok(_)) => Vec::new(),
            Some(Err(error)) => {
                let reason = format!("the connection to RingCentral broke: {error}");
                return Err(retry(reason));
            }
        };
        self.heard_at = Instant::now();
        self.unanswered = 0;
        self.memory.alive_at = Some(self.sink.now());
        if text.is_empty() {
            return Ok(None);
        }
        let Some(message) = Message::read(&text) else {
            // What cannot be read is handed on, so that it is recorded.
            self.sink.frame(text).await;
            return Ok(None);
        };
        self.memory.renew(message.meta.wsc.clone());
        let answered = self.asked.take_if(|asked| asked.is_answered_by(&message));
        if let Some(asked) = answered {
            self.answered(&asked, &message).await?;
            return Ok(None);
        }
        match message.meta.kind {
            Kind::ServerNotification => self.event(&message).await,
            Kind::Error => return self.ended(&message.json()),
            Kind::ConnectionDetails | Kind::ClientRequest | Kind::Heartbeat | Kind::Other => {}
        }
        Ok(None)
    }

    async fn answered(&mut self, asked: &Asked, message: &Message<'_>) -> Result<(), LinkError> {
        match asked.answer(message).map_err(broken)? {
            Answer::Stands(id, renew_at) => {
                self.memory.subscription = Some(id);
                self.renew_at = renew_at;
                self.sink.link(LinkState::Up).await;
                Ok(())
            }
            Answer::Gone => {
                let alive_at = self.memory.alive_at;
                self.memory.gap_from = self.memory.gap_from.or(alive_at);
                self.fill();
                self.subscribe().await
            }
        }
    }

    /// Hands an event on. One of a subscription that is not ours is none of our events.
    async fn event(&mut self, message: &Message<'_>) {
        let Some(body) = message.body else { return };
        let event = message.event();
        let ours = self.memory.subscription.as_ref();
        if let (Some(ours), Some(event)) = (ours, &event)
            && *ours != event.subscription_id
        {
            let id = self.session.connection.id;
            tracing::debug!(connection.id = %id, "an event of another subscription is left out");
            return;
        }
        if event.is_some_and(|event| event.timestamp.is_some_and(|at| at < self.opened_at)) {
            self.replayed += 1;
        }
        if self.replayed == self.most_replayed {
            // RingCentral keeps the newest events of a break; older ones may be missing.
            let longest = jiff::SignedDuration::from_secs(i64::from(self.memory.recovery));
            self.memory.gap_from = self.memory.gap_from.or(Some(self.opened_at - longest));
            self.replayed += 1;
            self.fill();
        }
        self.sink.frame(body.get().as_bytes().to_vec()).await;
    }

    /// The server says that it hangs up, and why.
    fn ended(&self, body: &Value) -> Result<Option<End>, LinkError> {
        match api::error_code(body) {
            IDLE | ABSOLUTE => {
                let reason = "RingCentral ends connections that are old or silent";
                Ok(Some(End::Scheduled(reason.to_owned())))
            }
            _ => Err(refused(body)),
        }
    }

    fn closed(&self) -> Result<Option<End>, LinkError> {
        let reason = "RingCentral closed the connection";
        if Instant::now() >= self.over_at {
            return Ok(Some(End::Scheduled(reason.to_owned())));
        }
        Err(retry(reason))
    }
}

fn stalled() -> LinkError {
    retry("RingCentral has not answered for a while; the connection was given up")
}
