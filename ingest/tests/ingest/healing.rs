//! healing
