//! Whether the brokers take records again.

use std::time::Duration;

use fleetledger_schema::instant::Instant;

use crate::{
    log::RecordLog,
    producer::{DeliveryReport, LogProducer, SendRefusal},
    refusal::DeliveryFailure,
};

/// How long the brokers have to take one small record.
const ANSWER: Duration = Duration::from_secs(10);

/// Sends one record that says nothing new, by a producer of its own.
///
/// # Errors
/// It is refused, or nobody answers.
pub(crate) async fn probe(mut log: RecordLog, mut producer: LogProducer) -> Result<(), DeliveryFailure> {
    let acknowledged = producer.acknowledged();
    match log.probe(&producer, Instant::now()) {
        Ok(()) => {}
        Err(SendRefusal::Full) => return Err(DeliveryFailure::of_client("no room".to_owned())),
        Err(SendRefusal::Broken(why)) => return Err(DeliveryFailure::of_client(why)),
    }
    if tokio::time::timeout(ANSWER, acknowledged.notified())
        .await
        .is_err()
    {
        producer.abandon();
        let why = format!("no answer within {} s", ANSWER.as_secs());
        return Err(DeliveryFailure::of_client(why));
    }
    while let Some(report) = producer.report() {
        if let DeliveryReport::Failed(failure) = report {
            return Err(failure);
        }
    }
    Ok(())
}
