//! A hash for maps that are looked into for every record: xxh3, seeded anew in each map.

use std::hash::{BuildHasher, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Makes hashers of one seed.
#[derive(Debug, Clone)]
pub(crate) struct SeededBuildHasher(u64);

impl Default for SeededBuildHasher {
    fn default() -> Self {
        Self(rand::random())
    }
}

impl BuildHasher for SeededBuildHasher {
    type Hasher = Xxh3Hasher;

    fn build_hasher(&self) -> Xxh3Hasher {
        Xxh3Hasher(self.0)
    }
}

/// Each write is hashed with what came before as its seed.
pub(crate) struct Xxh3Hasher(u64);

impl Hasher for Xxh3Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// Ends a text; there is nothing to be told apart behind it.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
