//! Cores that several streams share.

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

/// Cores that nobody uses, for whoever has blocks that wait: several streams at once share them. One that does not share
/// starts as many threads as it may.
#[derive(Debug, Clone)]
pub struct SpareCores(Arc<AtomicIsize>);

impl SpareCores {
    /// So many to begin with.
    pub fn new(cores: usize) -> Self {
        Self(Arc::new(AtomicIsize::new(isize::try_from(cores).unwrap_or(isize::MAX))))
    }

    /// A core that is used no more.
    pub fn give(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// A core that is used from now on, whether there is one or not: whoever took one gives it back when it can.
    pub fn take(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes a core if there is one.
    pub fn try_take(&self) -> bool {
        let one_less = |cores: isize| (cores > 0).then(|| cores - 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }
}

impl PartialEq for SpareCores {
    /// Whether they are the very same.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SpareCores {}
