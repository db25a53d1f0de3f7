//! The brokers' clock.

use super::{CheckVerdict, DoctorObservations, server::judge_clock};
use crate::connect::kafka_clock;

/// Records carry the emitter's clock, and brokers compare it with their own.
pub(super) async fn brokers(scene: &DoctorObservations) -> CheckVerdict {
    if let Err(skipped) = scene.kafka.get("kafka") {
        return skipped;
    }
    let kafka = scene.config.kafka.clone();
    match tokio::task::spawn_blocking(move || kafka_clock::read(&kafka)).await {
        Ok(Ok(clock)) => judge_clock("broker", clock.theirs.micros_since(clock.ours)),
        Ok(Err(why)) => CheckVerdict::skipped(why),
        Err(_) => CheckVerdict::skipped("the question was cancelled"),
    }
}
