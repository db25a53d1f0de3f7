//! Awaiting a condition.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(50);

/// Looks at a condition until it holds; panics with what it said last when `limit` has passed.
pub async fn eventually<T, E, F>(what: &str, limit: Duration, mut look: impl FnMut() -> F) -> T
where
    E: Display,
    F: Future<Output = Result<T, E>>,
{
    let started = Instant::now();
    loop {
        match look().await {
            Ok(value) => return value,
            Err(why) if started.elapsed() > limit => {
                panic!("{what}: not within {} s: {why}", limit.as_secs_f32())
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// `Ok` if `holds`, else what is wrong: for conditions given to [`eventually`].
///
/// # Errors
/// The text that `otherwise` makes.
pub fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
