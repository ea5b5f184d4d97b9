//! RingCentral's rate limits: four groups, so many requests a minute, and a penalty that each
//! request during it begins anew.

use std::time::{Duration, Instant};

use super::super::{Answered, Window};
use super::{State, error};

/// A group of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Reading one thing, call control.
    Light,
    /// Lists, making subscriptions.
    Medium,
    /// Call log, recordings, placing calls.
    Heavy,
    /// Tokens.
    Auth,
}

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Limit {
    name: &'static str,
    requests: usize,
    window: Window,
    penalty_since: Option<Instant>,
}

impl Limit {
    fn new(name: &'static str, requests: usize) -> Self {
        Self {
            name,
            requests,
            window: Window::new(requests, MINUTE),
            penalty_since: None,
        }
    }
}

/// The four groups with their published numbers.
#[derive(Debug)]
pub(super) struct Groups([Limit; 4]);

impl Default for Groups {
    fn default() -> Self {
        Self([
            Limit::new("light", 50),
            Limit::new("medium", 40),
            Limit::new("heavy", 10),
            Limit::new("auth", 5),
        ])
    }
}

impl Groups {
    fn of(&mut self, group: Group) -> &mut Limit {
        let [light, medium, heavy, auth] = &mut self.0;
        match group {
            Group::Light => light,
            Group::Medium => medium,
            Group::Heavy => heavy,
            Group::Auth => auth,
        }
    }

    pub(super) fn allow(&mut self, group: Group, requests: usize) {
        let name = self.of(group).name;
        *self.of(group) = Limit::new(name, requests);
    }
}

/// Counts a request; the refusal when it is one too many.
pub(super) fn take(state: &mut State, group: Group) -> Option<Answered> {
    let limit = state.groups.of(group);
    let punished = limit.penalty_since.is_some_and(|at| at.elapsed() < MINUTE);
    if !punished && limit.window.take().is_ok() {
        limit.penalty_since = None;
        return None;
    }
    limit.penalty_since = Some(Instant::now());
    let refused = error(429, "CMN-301", "Request rate exceeded")
        .with("X-Rate-Limit-Group", limit.name)
        .with("X-Rate-Limit-Limit", limit.requests.to_string())
        .with("X-Rate-Limit-Remaining", "0")
        .with("X-Rate-Limit-Window", "60")
        .with("Retry-After", "60");
    Some(refused)
}
