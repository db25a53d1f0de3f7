//! The content hash of a body, and the XOR digest over many.

use xxhash_rust::xxh3::xxh3_128;

/// xxh3-128 of a body (the Avro bytes without framing), kept as two signed halves because PostgreSQL's
/// `bit_xor` has no 128-bit form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ContentHash {
    /// High 64 bits.
    pub hi: i64,
    /// Low 64 bits.
    pub lo: i64,
}

impl ContentHash {
    /// Hash of `body`.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        let hash = xxh3_128(body);
        Self {
            hi: (hash >> 64) as u64 as i64,
            lo: hash as u64 as i64,
        }
    }
}

/// Number of objects and XOR of their content hashes: equal sets have equal digests, in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContentDigest {
    /// Number of objects.
    pub count: i64,
    /// XOR of their hashes.
    pub xor: ContentHash,
}

impl ContentDigest {
    /// Adds an object.
    pub fn add(&mut self, hash: ContentHash) {
        self.count += 1;
        self.toggle(hash);
    }

    /// Takes an object out.
    pub fn remove(&mut self, hash: ContentHash) {
        self.count -= 1;
        self.toggle(hash);
    }

    /// Replaces an object's hash.
    pub fn replace(&mut self, old: ContentHash, new: ContentHash) {
        self.toggle(old);
        self.toggle(new);
    }

    fn toggle(&mut self, hash: ContentHash) {
        self.xor.hi ^= hash.hi;
        self.xor.lo ^= hash.lo;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_independent_of_order_and_undone_by_removal() {
        let (a, b) = (ContentHash::of(b"a"), ContentHash::of(b"b"));
        let mut one = ContentDigest::default();
        one.add(a);
        one.add(b);
        let mut other = ContentDigest::default();
        other.add(b);
        other.add(a);
        assert_eq!(one, other);
        one.remove(b);
        one.replace(a, b);
        let mut only_b = ContentDigest::default();
        only_b.add(b);
        assert_eq!(one, only_b);
    }

    #[test]
    fn hash_of_known_bytes_never_changes() {
        // XXH3-128 of the empty input, from the algorithm's published test vectors.
        assert_eq!(
            ContentHash::of(b""),
            ContentHash {
                hi: 0x99aa06d3014798d8_u64 as i64,
                lo: 0x6001c324468d497f_u64 as i64
            }
        );
    }
}
