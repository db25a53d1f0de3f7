//! Label sets.

use std::collections::BTreeMap;

/// Labels by name, in byte order, so that equal sets are written equally.
pub type Labels = BTreeMap<String, String>;
