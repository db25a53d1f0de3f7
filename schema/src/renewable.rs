//! What is made of files that may be replaced while a process runs: secrets, keys and certificates that are rotated.

use std::{fmt, sync::Arc};

/// A value, and whoever looks whether there is a newer one. Cheap to clone; all clones see the same.
pub struct Renewable<T>(Arc<dyn Fn() -> (u64, T) + Send + Sync>);

impl<T> Renewable<T> {
    /// `look` gives the newest value and its version, which grows when the value is another; it is asked each time that
    /// the value is needed, and must be quick.
    pub fn new(look: impl Fn() -> (u64, T) + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    /// The newest value.
    #[must_use]
    pub fn newest(&self) -> T {
        (self.0)().1
    }

    /// The newest value, with its version.
    #[must_use]
    pub fn newest_with_version(&self) -> (u64, T) {
        (self.0)()
    }

    /// Whether there is a newer value than that of this version.
    #[must_use]
    pub fn is_newer_than(&self, version: u64) -> bool {
        (self.0)().0 > version
    }
}

impl<T> Clone for Renewable<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A value that stays as it is.
impl<T: Clone + Send + Sync + 'static> From<T> for Renewable<T> {
    fn from(value: T) -> Self {
        Self::new(move || (0, value.clone()))
    }
}

impl<T> fmt::Debug for Renewable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewable")
    }
}
