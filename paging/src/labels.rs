//! Label sets.

use std::collections::BTreeMap;

/// Labels by name, in byte order, so that equal sets are written equally.
pub type LabelSet = BTreeMap<String, String>;

/// The hash by which Alertmanager knows a label set: FNV-1a over names and values, each ended by a byte that no UTF-8
/// text holds. 16 hexadecimal digits.
#[must_use]
pub fn fingerprint(labels: &LabelSet) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let texts = labels.iter().flat_map(|(name, value)| [name, value]);
    let bytes = texts.flat_map(|text| text.bytes().chain([0xff]));
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

#[cfg(test)]
pub(crate) fn labels(pairs: &[(&str, &str)]) -> LabelSet {
    let owned = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    owned.collect()
}
