//! Benchmarks, side by side in one run with what we compare to.

fn main() {}
