//! When a believed webhook may be taken in: the port of whoever limits how fast that goes. Not
//! here: how it is counted. Live sockets and queues have no pace; we read them as fast as we can.

use std::time::Duration;

use async_trait::async_trait;
use switchhook_domain::id::ConnectionId;

/// Lets webhooks in one by one.
#[async_trait]
pub trait Pace: Send + Sync {
    /// Returns when this connection may take in one more webhook.
    ///
    /// # Errors
    /// When too many wait already: after how long the platform may try again.
    async fn turn(&self, connection: ConnectionId) -> Result<(), Duration>;
}
