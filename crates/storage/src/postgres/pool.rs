//! How the connections a node may have are divided, and that those not needed are closed again.

use std::time::Duration;

use switchhook_engine::store::{StoreError, StoreResult};

use super::reader::Readers;
use crate::{MIN_CONNECTIONS, OpenOptions};

/// Pooled connections per reader asked for: here a reader waits for the network, not for a core.
const POOL_PER_READER: usize = 4;
/// The connection that listens for other nodes.
const LISTENER: usize = 1;
/// One connection in so many may be a writer's.
const WRITERS_SHARE: usize = 3;
/// Between two looks at the pool, at most and at least.
const LOOK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));

/// Who has how many connections.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// Of the writers, one each.
    pub(super) writers: usize,
    /// In the pool, at most.
    pub(super) readers: usize,
    /// In the pool, kept though idle.
    pub(super) kept: usize,
}

impl Split {
    /// Divides what the options allow.
    pub(super) fn of(options: &OpenOptions) -> StoreResult<Self> {
        let wanted = options.writers.max(1);
        let (writers, readers) = match options.max_connections {
            None => (wanted, options.readers.max(1) * POOL_PER_READER),
            Some(few) if few < MIN_CONNECTIONS => {
                return Err(StoreError::Unusable(format!(
                    "{few} connections are too few: a node needs at least {MIN_CONNECTIONS}"
                )));
            }
            Some(max) => {
                let writers = wanted.min(max / WRITERS_SHARE);
                (writers, max - LISTENER - writers)
            }
        };
        let kept = options.min_connections.saturating_sub(LISTENER + writers);
        Ok(Self {
            writers,
            readers,
            kept: kept.min(readers),
        })
    }
}

/// Closes pooled connections that nobody used for so long, until it is dropped.
pub(super) async fn sweeper(readers: Readers, kept: usize, unused: Duration) {
    if unused.is_zero() {
        return;
    }
    let mut look = tokio::time::interval((unused / 4).clamp(LOOK.0, LOOK.1));
    loop {
        look.tick().await;
        readers.close_idle(unused, kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(max: Option<usize>, min: usize) -> StoreResult<Split> {
        Split::of(&OpenOptions {
            readers: 4,
            writers: 2,
            max_connections: max,
            min_connections: min,
            ..OpenOptions::default()
        })
    }

    #[test]
    fn all_connections_together_are_no_more_than_allowed() {
        for max in MIN_CONNECTIONS..200 {
            let split = split(Some(max), 0).unwrap();
            assert_eq!(split.writers + split.readers + LISTENER, max);
            assert!(split.readers >= 2 && (1..=2).contains(&split.writers));
        }
        let free = split(None, 5).unwrap();
        assert_eq!((free.writers, free.readers, free.kept), (2, 16, 2));
        assert_eq!(split(Some(10), 100).unwrap().kept, 7);
    }

    #[test]
    fn too_few_are_refused_with_the_number_needed() {
        for few in 0..MIN_CONNECTIONS {
            let told = split(Some(few), 0).unwrap_err().to_string();
            assert!(told.contains("at least 4"), "{told}");
        }
    }
}
