//! Which shard an object belongs to and which partition a shard's log is.

use xxhash_rust::xxh3::xxh3_64;

/// Shard of an object: `xxh3(uid) mod shards`. A `shards` of 0 counts as 1.
#[must_use]
pub fn shard_of(uid: &str, shards: u16) -> u16 {
    if shards <= 1 {
        return 0;
    }
    u16::try_from(xxh3_64(uid.as_bytes()) % u64::from(shards)).unwrap_or(0)
}

/// Partition of one (cluster, shard): murmur2 of `<cluster_uid>#<shard>`, as Kafka's own partitioner
/// computes it for that key. Names play no part, so a renamed cluster keeps its log.
#[must_use]
pub fn partition_of(cluster_uid: &str, shard: u16, partitions: i32) -> i32 {
    let key = format!("{cluster_uid}#{shard}");
    let positive = (murmur2(key.as_bytes()) & 0x7fff_ffff) as i32;
    if partitions <= 1 { 0 } else { positive % partitions }
}

/// Kafka's murmur2 (`org.apache.kafka.common.utils.Utils.murmur2`), seed 0x9747b28c.
#[must_use]
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut h: u32 = 0x9747_b28c ^ (data.len() as u32);
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    for (index, byte) in rest.iter().enumerate().rev() {
        h ^= u32::from(*byte) << (8 * index);
    }
    if !rest.is_empty() {
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_agrees_with_kafkas_published_vectors() {
        // From Kafka's UtilsTest.testMurmur2.
        for (key, expected) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, expected, "{key}");
        }
    }

    #[test]
    fn one_shard_keeps_everything_together() {
        assert_eq!(shard_of("any", 1), 0);
        assert_eq!(shard_of("any", 0), 0);
        assert!(partition_of("c", 0, 4) < 4);
    }
}
