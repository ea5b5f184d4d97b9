//! How busy a store is, for the metrics. Figures of this moment and of this process: nothing is
//! kept, and nothing is decided by them.

/// How busy a store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreLoad {
    /// Connections that are open and have nothing to do: pooled ones and the writers'. On SQLite
    /// the threads that read and write. The one that listens for other nodes does not count.
    pub idle: usize,
    /// Those at work.
    pub active: usize,
    /// Reads that wait for one.
    pub waiting: usize,
    /// Writes handed over and not committed yet, those of the batch being committed included.
    pub queued: usize,
}

/// The port.
pub trait LoadStore {
    /// How busy the store is now. Cheap; asks no database.
    fn load(&self) -> StoreLoad;
}
