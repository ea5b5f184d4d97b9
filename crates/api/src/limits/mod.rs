//! How much one caller may ask: per key and per app on the API, per operator's secret, failed
//! credentials and sign-ins per client address, messages of a socket, notifications of a hook.
//! Every count is this process's own. A request is counted after its credential was checked,
//! which costs a look into memory, and before anything of its body is read.
//!
//! Not here: limits of size and time (`body`, `outer`), how many sockets are open (`ws::limits`),
//! how many connections (the server), and what vendors allow us (the engine).

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use switchhook_domain::id::{AppId, KeyId};
use switchhook_engine::ports::Clock;
use tokio::time::Instant;

use crate::auth::{By, Caller};
use crate::problem::{Code, Problem};

mod bucket;
pub(crate) mod hooks;
pub(crate) mod pass;

use bucket::{Bucket, Standing};

/// The window of everything but sign-ins.
const MINUTE: Duration = Duration::from_secs(60);
/// The window of failed sign-ins.
const SIGN_IN_WINDOW: Duration = Duration::from_secs(15 * 60);

/// How much may be asked; 0 is without a limit. A bucket holds as many as are given for a window
/// and is refilled evenly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Requests a minute with one API key or session.
    pub key_requests: u32,
    /// Requests a minute of one app, all its keys and sessions together.
    pub app_requests: u32,
    /// Requests a minute with the operators' secret.
    pub operator_requests: u32,
    /// Notifications a minute of one hook, beyond which they are slowed.
    pub hook_notifications: u32,
    /// How long a notification beyond the limit is held back at most.
    pub hook_wait: Duration,
    /// How many notifications of one hook are held back at a time; more are answered 503.
    pub hook_backlog: usize,
    /// Failed sign-ins of one client address in 15 minutes.
    pub failed_sign_ins: u32,
    /// Wrong keys and secrets of one client address a minute.
    pub failed_keys: u32,
    /// Messages a minute on one WebSocket.
    pub socket_messages: u32,
    /// WebSockets opened a minute with one key or session.
    pub socket_opens: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            key_requests: 300,
            app_requests: 1200,
            operator_requests: 100,
            hook_notifications: 1000,
            // Platforms give up after three to five seconds.
            hook_wait: Duration::from_secs(2),
            hook_backlog: 256,
            failed_sign_ins: 10,
            failed_keys: 100,
            socket_messages: 120,
            // All sockets an app may have, at once after a restart, and some more.
            socket_opens: 3000,
        }
    }
}

impl LimitsConfig {
    /// Without any limit: for tests and measurements of something else.
    #[must_use]
    pub fn off() -> Self {
        Self {
            key_requests: 0,
            app_requests: 0,
            operator_requests: 0,
            hook_notifications: 0,
            failed_sign_ins: 0,
            failed_keys: 0,
            socket_messages: 0,
            socket_opens: 0,
            ..Self::default()
        }
    }
}

/// One key, session or token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Key(KeyId),
    Session([u8; 32]),
    /// Something else that speaks for an app.
    App(AppId),
}

impl Holder {
    fn of(caller: &Caller) -> Self {
        match (caller.access.key_id, caller.by) {
            // Tokens count for themselves: one key mints them for all agents of an app.
            (_, By::Session(hash) | By::Token(hash)) => Self::Session(hash),
            (Some(key), By::Key) => Self::Key(key),
            (None, By::Key) => Self::App(caller.app()),
        }
    }
}

/// All limits of this process.
pub(crate) struct Limits {
    keys: Option<Bucket<Holder>>,
    apps: Option<Bucket<AppId>>,
    operators: Option<Bucket<()>>,
    failed_keys: Option<Bucket<IpAddr>>,
    failed_sign_ins: Option<Bucket<IpAddr>>,
    socket_opens: Option<Bucket<Holder>>,
    socket_messages: u32,
}

impl Limits {
    pub(crate) fn new(config: &LimitsConfig, clock: &Arc<dyn Clock>) -> Self {
        Self {
            keys: Bucket::new(config.key_requests, MINUTE, clock),
            apps: Bucket::new(config.app_requests, MINUTE, clock),
            operators: Bucket::new(config.operator_requests, MINUTE, clock),
            failed_keys: Bucket::new(config.failed_keys, MINUTE, clock),
            failed_sign_ins: Bucket::new(config.failed_sign_ins, SIGN_IN_WINDOW, clock),
            socket_opens: Bucket::new(config.socket_opens, MINUTE, clock),
            socket_messages: config.socket_messages,
        }
    }

    /// Counts a request of an app. Gives how the tighter of the two limits stands, for the
    /// headers of the answer, and the refusal when it was one too many.
    fn caller(&self, caller: &Caller) -> (Option<Standing>, Result<(), Problem>) {
        let holder = Holder::of(caller);
        let own = self.keys.as_ref().map(|keys| keys.take(&holder));
        if let Some(wait) = own.and_then(|own| own.wait) {
            let detail = "Too many requests with this key. Wait as long as Retry-After says, or \
                          listen to events instead of asking again and again.";
            return (own, Err(too_many(detail, wait)));
        }
        let app = self.apps.as_ref().map(|apps| apps.take(&caller.app()));
        if let Some(wait) = app.and_then(|app| app.wait) {
            let detail = "Too many requests of this app, all its keys together. Wait as long as \
                          Retry-After says, or listen to events instead of asking again and again.";
            return (app, Err(too_many(detail, wait)));
        }
        let tighter = own.into_iter().chain(app).min_by_key(|one| one.remaining);
        (tighter, Ok(()))
    }

    /// Counts a request of an operator.
    fn operator(&self) -> (Option<Standing>, Result<(), Problem>) {
        let standing = self.operators.as_ref().map(|operators| operators.take(&()));
        let refused = standing.and_then(|standing| standing.wait).map(|wait| {
            let detail = "Too many requests with the operators' secret. Wait as long as \
                          Retry-After says.";
            too_many(detail, wait)
        });
        (standing, refused.map_or(Ok(()), Err))
    }

    /// Refuses to look at another credential of an address that has shown too many wrong ones.
    pub(crate) fn may_try(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let detail = "Too many wrong keys or secrets from this address. Check the key, then wait \
                      as long as Retry-After says.";
        may(self.failed_keys.as_ref(), address, detail)
    }

    /// Counts a wrong key or secret.
    pub(crate) fn tried_in_vain(&self, address: Option<IpAddr>) {
        if let (Some(failed), Some(address)) = (&self.failed_keys, address) {
            failed.take(&network(address));
        }
    }

    /// Refuses sign-ins of an address with too many failed ones.
    fn may_sign_in(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let detail = "Too many failed sign-ins from this address. Wait as long as Retry-After \
                      says, then begin again from the link.";
        may(self.failed_sign_ins.as_ref(), address, detail)
    }

    fn signed_in_in_vain(&self, address: Option<IpAddr>) {
        if let (Some(failed), Some(address)) = (&self.failed_sign_ins, address) {
            failed.take(&network(address));
        }
    }

    /// Counts a WebSocket that is opened.
    pub(crate) fn may_open_socket(&self, caller: &Caller) -> Result<(), Problem> {
        let opens = self.socket_opens.as_ref();
        let wait = opens.and_then(|opens| opens.take(&Holder::of(caller)).wait);
        let Some(wait) = wait else { return Ok(()) };
        let detail = "Too many WebSockets were opened with this key. Keep one open instead of \
                      opening new ones, and wait longer after each failure.";
        Err(too_many(detail, wait))
    }

    /// The count of one socket's messages.
    pub(crate) fn messages(&self) -> Messages {
        Messages {
            limit: self.socket_messages,
            said: 0,
            since: Instant::now(),
        }
    }
}

/// Counts the messages of one socket, minute by minute: a few bytes, for there are many sockets.
pub(crate) struct Messages {
    limit: u32,
    said: u32,
    since: Instant,
}

impl Messages {
    /// Counts one; false when it is too many.
    pub(crate) fn may_say(&mut self) -> bool {
        if self.since.elapsed() >= MINUTE {
            (self.said, self.since) = (0, Instant::now());
        }
        self.said = self.said.saturating_add(1);
        self.limit == 0 || self.said <= self.limit
    }
}

fn may(
    failed: Option<&Bucket<IpAddr>>,
    address: Option<IpAddr>,
    detail: &'static str,
) -> Result<(), Problem> {
    let wait = failed.and_then(|failed| failed.wait(&network(address?)));
    wait.map_or(Ok(()), |wait| Err(too_many(detail, wait)))
}

/// What counts as one client: an address, of IPv6 the network of one subscriber (/64).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

fn too_many(detail: &'static str, wait: Duration) -> Problem {
    let wait = whole_seconds(wait).max(1);
    Problem::new(Code::RateLimited, detail)
        .after(Duration::from_secs(wait))
        .with("retry_after", wait)
}

/// Rounded up.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use switchhook_testkit::clock::TestClock;

    use super::*;

    #[test]
    fn an_ipv6_client_is_its_network() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_may_say_so_much_a_minute() {
        let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
        let config = LimitsConfig {
            socket_messages: 2,
            ..LimitsConfig::off()
        };
        let mut messages = Limits::new(&config, &clock).messages();
        assert!(messages.may_say() && messages.may_say());
        assert!(!messages.may_say());
        tokio::time::advance(MINUTE).await;
        assert!(messages.may_say());
        let mut unlimited = Limits::new(&LimitsConfig::off(), &clock).messages();
        assert!((0..1000).all(|_| unlimited.may_say()));
    }

    #[test]
    fn wrong_keys_are_counted_by_address() {
        let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
        let config = LimitsConfig {
            failed_keys: 2,
            ..LimitsConfig::off()
        };
        let limits = Limits::new(&config, &clock);
        let [one, neighbour, other] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
            .map(|text| Some(text.parse().unwrap()));
        for _ in 0..2 {
            limits.may_try(one).unwrap();
            limits.tried_in_vain(one);
        }
        let refused = limits.may_try(neighbour).unwrap_err();
        assert_eq!(refused.code(), Code::RateLimited);
        limits.may_try(other).unwrap();
        limits.may_try(None).unwrap();
    }
}
