//! How metrics and rollups fared, beside the runs of alerts: whoever asks whether a file works finds all of them in
//! `fleet.rule` and `fleet.rule_run`, and one that fails again and again is an alert like any other.

use deadpool_postgres::Pool;
use fleetledger_queries::EvaluationReport;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::errors::{AlertsError, while_};

/// Writes down every evaluation it hears of until `stop`. What cannot be written is told of and let go: the next slot
/// says the same or better.
pub async fn record_runs(
    pool: Pool,
    evaluator: String,
    mut evaluated: UnboundedReceiver<EvaluationReport>,
    stop: CancellationToken,
) {
    let step = "store the run of a metric";
    loop {
        let one = tokio::select! {
            () = stop.cancelled() => return,
            one = evaluated.recv() => match one {
                Some(one) => one,
                None => return,
            },
        };
        let written = async {
            let client = pool
                .get()
                .await
                .map_err(|source| AlertsError::Pool { step, source })?;
            write(&client, &evaluator, &one).await
        };
        if let Err(error) = written.await {
            error.log_unless_away(|error| {
                tracing::warn!(query = %one.query.id, error, "the run of a metric was not stored");
            });
        }
    }
}

/// Writes one down. Each evaluator evaluates metrics, and the first to write a slot says how it was; nothing is written
/// by one whose file is not the one in force.
pub(crate) async fn write(
    client: &Client,
    evaluator: &str,
    evaluated: &EvaluationReport,
) -> Result<(), AlertsError> {
    const RECORD_RUN: &str = "
        with run as (
            insert into ledger.rule_run (rule, slot, rule_version, rule_set, evaluator, epoch, as_of, outcome, error,
                query_seconds, rows, changed, queued, applied_at)
            select r.rule, $3, r.version, s.sha256, $4, 0, $5, case when $6::text is null then 'ok' else 'error' end, $6,
                $7, $8, 0, 0, clock_timestamp()
            from ledger.rule as r cross join ledger.rule_set as s
            where r.rule = $1 and r.version = $2 and r.removed_at is null
            on conflict (rule, slot) do nothing
            returning rule
        )
        update ledger.rule as r set last_slot = $3, last_seconds = $7, last_rows = $8, last_error = $6,
            state = case when $6::text is null then 'ok' else 'error' end,
            last_ok_slot = case when $6::text is null then $3 else r.last_ok_slot end,
            failures = case when $6::text is null then 0 else r.failures + 1 end,
            too_slow = case when $9 then r.too_slow + 1 else 0 end
        from run where r.rule = run.rule and (r.last_slot is null or r.last_slot < $3)";
    let query = &evaluated.query;
    let error = evaluated.outcome.as_ref().err();
    let rows = evaluated
        .outcome
        .as_ref()
        .map_or(0, |rows| i64::try_from(*rows).unwrap_or(i64::MAX));
    // A rollup fills as many windows as there is time for: that is not slow.
    let is_slow = query.record().is_some() && evaluated.seconds > query.timeout.seconds() / 2.0;
    client
        .execute(
            RECORD_RUN,
            &[
                &query.id.as_str(),
                &query.version,
                &evaluated.slot,
                &evaluator,
                &evaluated.as_of,
                &error,
                &evaluated.seconds,
                &rows,
                &is_slow,
            ],
        )
        .await
        .map_err(while_("store a run"))?;
    Ok(())
}
