//! What the two live connections have in common: how long they wait and what they call a stall.

use std::time::Duration;

use switchhook_engine::adapter::LinkError;

/// How often the other side is asked for a sign of life.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How many questions may go by without any sign before the link is given up.
pub(super) const SILENT_TICKS: u32 = 2;
/// How long a connect, a handshake, one request or one write may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How many events may wait while the channels are listed.
pub(super) const MAX_WAITING: usize = 50_000;

/// The error of a link that has gone silent.
pub(super) fn stalled() -> LinkError {
    LinkError::Retry(
        "the PBX has not answered for half a minute; the connection was given up".to_owned(),
    )
}

/// The error of a PBX that tells more than it is asked.
pub(super) fn too_much() -> LinkError {
    LinkError::Retry("the PBX sent too much before it listed its channels".to_owned())
}
