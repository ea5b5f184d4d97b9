//! The life of one socket: who it is, where it goes on, then events until something ends it.
//!
//! No event falls between: the hub is listened to *before* the snapshot or the log is read, and
//! what was seen already is dropped by its `seq`. The steps that come once are boxed, so that
//! the task of an idle socket is small.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use switchhook_domain::id::AppId;
use switchhook_engine::hub::Published;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::StoreError;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;
use uuid::Uuid;

use super::limits::Place;
use super::protocol::{self, Close, Hello, Resume};
use super::socket::{Heard, Socket, ended};
use super::watch::{Credential, Ticket};
use crate::answer;
use crate::auth::{By, Caller, by_key};
use crate::frame;
use crate::inherited::frames;
use crate::limits::Messages;
use crate::limits::pass::Pass;
use crate::problem::{Code, Problem};
use crate::state::{Inner, Shared};

/// How many events of the log are read at a time.
const PAGE: u32 = 200;
/// How many events are told before anything else gets a turn.
const BATCH: usize = 64;

/// Who stands at the door.
pub(crate) enum Visitor {
    /// Somebody who has shown a good key or session.
    Known(Box<Caller>),
    /// Somebody whose credential is no good.
    Refused(Close),
    /// Somebody who will say it in the first message.
    Silent(Pass),
}

/// In which words a socket is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Ours: hello, snapshot, events with their place.
    Native,
    /// The predecessor's: its frames and nothing else ([`crate::inherited::frames`]).
    Inherited,
}

/// What an open socket needs to remember.
struct Live {
    dialect: Dialect,
    app: AppId,
    epoch: Uuid,
    /// The last `seq` sent.
    seen: u64,
    events: Receiver<Arc<Published>>,
    ticket: Ticket,
    /// When the client last had to be helped up from the log.
    lagged_at: Option<Instant>,
    messages: Messages,
    _place: Place,
}

/// Lives one socket.
pub(crate) async fn run(
    mut socket: Socket,
    shared: Shared,
    (visitor, dialect): (Visitor, Dialect),
    resume: Resume,
    place: Place,
) {
    let guest = (visitor, dialect);
    let end = match Box::pin(open(&mut socket, &shared, guest, resume, place)).await {
        Ok(mut live) => listen(&mut socket, &shared, &mut live).await,
        Err(end) => end,
    };
    if end == Close::TooSlow {
        shared.metrics.slow_clients.inc();
    }
    tracing::debug!(?end, "socket ends");
    Box::pin(socket.close(end)).await;
}

/// Everything up to the first live event.
async fn open(
    socket: &mut Socket,
    shared: &Inner,
    (visitor, dialect): (Visitor, Dialect),
    resume: Resume,
    mut place: Place,
) -> Result<Live, Close> {
    let (caller, resume) = match visitor {
        Visitor::Known(caller) => (*caller, resume),
        Visitor::Refused(why) => return Err(why),
        Visitor::Silent(pass) => {
            let wait = shared.config.ws.auth_timeout;
            let (caller, said) = tokio::select! {
                said = introduce(socket, shared, &pass) => said?,
                () = shared.stop.cancelled() => return Err(Close::GoingAway),
                () = tokio::time::sleep(wait) => return Err(Close::Unauthorized),
            };
            // What the message says counts; the query may have said it already.
            (caller, if said.after.is_some() { said } else { resume })
        }
    };
    caller
        .needs(Scope::EventsRead)
        .map_err(|_| Close::NotAllowed)?;
    let app = caller.app();
    if !place.belongs_to(app) {
        return Err(Close::TryAgainLater);
    }
    let credential = match (caller.by, caller.access.key_id) {
        (By::Session(hash), _) => Credential::Session(app, hash),
        (By::Token(hash), _) => Credential::Token(app, hash),
        (By::Key, Some(key)) => Credential::Key(app, key),
        (By::Key, None) => return Err(Close::Unauthorized),
    };
    let ticket = shared.watch.enter(credential);
    let events = shared
        .hub
        .listen(app)
        .await
        .map_err(|_| Close::TryAgainLater)?;
    let epoch = caller.access.app.epoch;
    drop(caller);
    let mut live = Live {
        dialect,
        app,
        epoch,
        seen: 0,
        events,
        ticket,
        lagged_at: None,
        messages: shared.limits.messages(),
        _place: place,
    };
    greet(socket, shared, &mut live, resume).await?;
    Ok(live)
}

/// Waits for the first message and checks the key in it.
async fn introduce(
    socket: &mut Socket,
    shared: &Inner,
    pass: &Pass,
) -> Result<(Caller, Resume), Close> {
    let mut messages = shared.limits.messages();
    loop {
        if !messages.may_say() {
            return Err(Close::TooMuch);
        }
        let Heard::Text(text) = socket.hear().await? else {
            continue;
        };
        let auth = protocol::auth(&text).ok_or(Close::BadFirstMessage)?;
        let caller = shown(shared, pass, &auth.api_key)
            .await
            .map_err(|problem| refusal(&problem))?;
        let app = caller.app().to_string();
        if auth.app_id.is_some_and(|id| !id.eq_ignore_ascii_case(&app)) {
            return Err(Close::Unauthorized);
        }
        return Ok((caller, auth.resume));
    }
}

/// Checks a key that was shown for a socket, and counts it.
pub(crate) async fn shown(shared: &Inner, pass: &Pass, key: &str) -> Result<Caller, Problem> {
    pass.may_try(&shared.limits)?;
    let checked = by_key(shared, key).await;
    if let Err(problem) = &checked {
        pass.refused(&shared.limits, problem);
    }
    let caller = checked?;
    shared.limits.may_open_socket(&caller)?;
    Ok(caller)
}

/// The close code for a credential that was refused.
pub(crate) fn refusal(problem: &Problem) -> Close {
    match problem.code() {
        Code::AppInactive => Close::InactiveApp,
        Code::StoreUnavailable | Code::InternalError | Code::RateLimited => Close::TryAgainLater,
        _ => Close::Unauthorized,
    }
}

/// Says hello, then what was missed, or how things stand.
async fn greet(
    socket: &mut Socket,
    shared: &Inner,
    live: &mut Live,
    resume: Resume,
) -> Result<(), Close> {
    if live.dialect == Dialect::Inherited {
        let position = shared.store.log_position(live.app).await;
        let position = position.map_err(|error| away(&error))?;
        (live.epoch, live.seen) = (position.epoch, position.head);
        return Ok(());
    }
    let longest = shared.config.ws.send_timeout;
    let reason = match resume.after {
        None => None,
        Some(after) => match position(shared, live, after, resume.epoch).await? {
            Ok(head) => {
                live.seen = after;
                let hello = hello(shared, live, head, true, None);
                socket.say(hello, &mut live.ticket, longest).await?;
                return catch_up(socket, shared, live).await;
            }
            Err(reason) => Some(reason),
        },
    };
    let snapshot = shared
        .store
        .snapshot(live.app)
        .await
        .map_err(|error| away(&error))?;
    (live.epoch, live.seen) = (snapshot.epoch, snapshot.seq);
    let hello = hello(shared, live, snapshot.seq, false, reason);
    socket.say(hello, &mut live.ticket, longest).await?;
    let snapshot = protocol::snapshot(&snapshot);
    socket.say(snapshot, &mut live.ticket, longest).await
}

/// The head of the log when a client can go on after `after`, or why it cannot.
async fn position(
    shared: &Inner,
    live: &mut Live,
    after: u64,
    epoch: Option<Uuid>,
) -> Result<Result<u64, &'static str>, Close> {
    let position = shared
        .store
        .log_position(live.app)
        .await
        .map_err(|error| away(&error))?;
    live.epoch = position.epoch;
    let behind = position.head.saturating_sub(after);
    Ok(match epoch {
        None => Err("epoch_missing"),
        Some(epoch) if epoch != position.epoch => Err("epoch_changed"),
        Some(_) if after > position.head => Err("ahead_of_log"),
        Some(_) if after.saturating_add(1) < position.oldest => Err("log_truncated"),
        Some(_) if behind > shared.config.ws.max_resume => Err("too_far_behind"),
        Some(_) => Ok(position.head),
    })
}

fn hello(
    shared: &Inner,
    live: &Live,
    seq: u64,
    recovered: bool,
    reason: Option<&'static str>,
) -> Bytes {
    let hello = Hello {
        app_id: live.app,
        epoch: live.epoch,
        seq,
        recovered,
        reason,
        server_time: answer::time(shared.clock.now()),
        ping_seconds: shared.config.ws.ping.as_secs(),
    };
    hello.frame()
}

fn away(error: &StoreError) -> Close {
    tracing::debug!(%error, "a socket found the database away");
    Close::TryAgainLater
}

/// Sends everything in the log that this socket has not seen.
async fn catch_up(socket: &mut Socket, shared: &Inner, live: &mut Live) -> Result<(), Close> {
    loop {
        let events = shared
            .store
            .events_after(live.app, live.seen, PAGE, &[])
            .await;
        let events = events.map_err(|error| away(&error))?;
        let is_last = events.len() < PAGE as usize;
        for event in events {
            if event.seq != live.seen + 1 {
                // The log was cut while it was read. A new connection gets the snapshot.
                return Err(Close::TryAgainLater);
            }
            speak(socket, shared, live, &Published::new(event)).await?;
        }
        if is_last {
            return Ok(());
        }
    }
}

/// Tells one event, in the words of this socket.
async fn speak(
    socket: &mut Socket,
    shared: &Inner,
    live: &mut Live,
    published: &Published,
) -> Result<(), Close> {
    let longest = shared.config.ws.send_timeout;
    match live.dialect {
        Dialect::Native => {
            let epoch = live.epoch;
            let text = published.wire(|event| frame::event(event, epoch));
            socket.say(text, &mut live.ticket, longest).await?;
        }
        Dialect::Inherited => {
            for text in frames::of(&published.event) {
                socket.say(text, &mut live.ticket, longest).await?;
            }
        }
    }
    live.seen = published.event.seq;
    Ok(())
}

/// Events as they happen, until something ends it.
async fn listen(socket: &mut Socket, shared: &Shared, live: &mut Live) -> Close {
    let config = &shared.config.ws;
    let mut heard = Instant::now();
    let mut next_ping = heard + config.ping;
    let timer = tokio::time::sleep_until(next_ping);
    tokio::pin!(timer);
    loop {
        let step = tokio::select! {
            biased;
            end = ended(&mut live.ticket) => return end,
            said = socket.hear() => {
                heard = Instant::now();
                match said {
                    Ok(_) if !live.messages.may_say() => Err(Close::TooMuch),
                    Ok(said) => Box::pin(reply(socket, shared, live, said)).await,
                    Err(end) => Err(end),
                }
            }
            event = live.events.recv() => Box::pin(tell(socket, shared, live, event)).await,
            () = &mut timer => {
                let now = Instant::now();
                let mut step = Ok(());
                if now >= heard + config.silence {
                    return Close::Gone;
                }
                if now >= next_ping {
                    next_ping = now + config.ping;
                    step = Box::pin(socket.ping(&mut live.ticket, config.send_timeout)).await;
                }
                timer.as_mut().reset(next_ping.min(heard + config.silence));
                step
            }
        };
        if let Err(end) = step {
            return end;
        }
    }
}

/// Answers the one thing clients may ask.
async fn reply(
    socket: &mut Socket,
    shared: &Inner,
    live: &mut Live,
    said: Heard,
) -> Result<(), Close> {
    let Heard::Text(text) = said else {
        return Ok(());
    };
    // The predecessor passed over whatever a client said.
    if live.dialect == Dialect::Inherited || !protocol::is_ping(&text) {
        return Ok(());
    }
    let pong = protocol::pong(shared.clock.now());
    socket
        .say(pong, &mut live.ticket, shared.config.ws.send_timeout)
        .await
}

/// Tells an event and some of those that wait behind it; then the client gets a word in again.
async fn tell(
    socket: &mut Socket,
    shared: &Inner,
    live: &mut Live,
    first: Result<Arc<Published>, RecvError>,
) -> Result<(), Close> {
    let mut next = first;
    for left in (0..BATCH).rev() {
        match next {
            Ok(published) => {
                let seq = published.event.seq;
                if seq > live.seen + 1 {
                    // A hole: the log has what is missing.
                    catch_up(socket, shared, live).await?;
                }
                if seq > live.seen {
                    speak(socket, shared, live, &published).await?;
                }
            }
            Err(RecvError::Lagged(_)) => help_up(socket, shared, live).await?,
            // The hub forgot the app's channel; the watch ends the socket if the app is gone.
            Err(RecvError::Closed) => {
                live.events = shared
                    .hub
                    .listen(live.app)
                    .await
                    .map_err(|error| away(&error))?;
                catch_up(socket, shared, live).await?;
            }
        }
        if left == 0 {
            break;
        }
        next = match live.events.try_recv() {
            Ok(published) => Ok(published),
            Err(TryRecvError::Empty) => return Ok(()),
            Err(TryRecvError::Lagged(count)) => Err(RecvError::Lagged(count)),
            Err(TryRecvError::Closed) => return Ok(()),
        };
    }
    Ok(())
}

/// A client that fell behind is helped up from the log once; one that falls again soon is too
/// slow.
async fn help_up(socket: &mut Socket, shared: &Inner, live: &mut Live) -> Result<(), Close> {
    let pause = shared.config.ws.lag_pause;
    let again = live.lagged_at.is_some_and(|at| at.elapsed() < pause);
    let position = shared
        .store
        .log_position(live.app)
        .await
        .map_err(|error| away(&error))?;
    let behind = position.head.saturating_sub(live.seen);
    if again || pause == Duration::MAX || behind > shared.config.ws.max_resume {
        return Err(Close::TooSlow);
    }
    live.lagged_at = Some(Instant::now());
    catch_up(socket, shared, live).await
}
