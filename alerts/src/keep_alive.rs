//! Alertmanagers forget what they are not told again: the current state is sent each minute, held or snoozed included, and
//! what was resolved for a while longer.

use std::{sync::Arc, time::Duration};

use deadpool_postgres::Pool;
use fleetledger_paging::{
    Alert,
    channel::{
        ChannelClient,
        alertmanager::{PostedAlert, RESEND, RESOLVED_RESEND, keep_alive},
    },
};
use fleetledger_schema::instant::Instant;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

use crate::{
    errors::{AlertsError, while_},
    instance::InstanceMemory,
    settings::EvaluatorSettings,
    store::{texts, timestamp},
};

/// Sends to every Alertmanager the current state in it, each minute until `stop`. Each evaluator sends what its groups hold.
pub(crate) async fn run(pool: Pool, settings: Arc<EvaluatorSettings>, stop: CancellationToken) {
    let alertmanagers =
        settings
            .receivers
            .iter()
            .filter_map(|(name, receiver)| match receiver.client.newest() {
                ChannelClient::Alertmanager(_) => Some((name.to_owned(), receiver.client.clone())),
                _ => None,
            });
    let alertmanagers: Vec<_> = alertmanagers.collect();
    if alertmanagers.is_empty() {
        return;
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(settings.resend) => {}
        }
        for (name, client) in &alertmanagers {
            let ChannelClient::Alertmanager(client) = client.newest() else {
                continue;
            };
            match load_open_alerts(&pool, &settings, name).await {
                Err(error) => error.log_unless_away(|error| {
                    tracing::warn!(
                        receiver = name,
                        error,
                        "open alerts were not refreshed in any Alertmanager this minute"
                    );
                }),
                Ok((open_alerts, now)) => {
                    let now = timestamp(now);
                    let alerts = keep_alive(&open_alerts, now);
                    for (alert, delivery) in client.keep_alive(&alerts, now).await {
                        let labels = alert.get("labels").map(ToString::to_string).unwrap_or_default();
                        tracing::warn!(
                            receiver = name, labels, status = delivery.status, disposition = ?delivery.disposition,
                            "an alert was not refreshed in its Alertmanager"
                        );
                    }
                }
            }
        }
    }
}

async fn load_open_alerts(
    pool: &Pool,
    settings: &EvaluatorSettings,
    receiver: &str,
) -> Result<(Vec<PostedAlert>, Instant), AlertsError> {
    let step = "load open alerts of Alertmanager receivers";
    let client = pool
        .get()
        .await
        .map_err(|source| AlertsError::Pool { step, source })?;
    let now = crate::rule_set::now(&client).await?;
    let since = now.plus_micros(-i64::try_from(RESOLVED_RESEND.as_micros()).unwrap_or(0));
    let rows = client
        .query(READ_NOTIFIED_INSTANCES, &[&settings.evaluator, &receiver, &since])
        .await
        .map_err(while_(step))?;
    let open_alerts = rows
        .iter()
        .filter_map(|row| read(settings, receiver, row).transpose());
    Ok((open_alerts.collect::<Result<_, _>>()?, now))
}

fn read(settings: &EvaluatorSettings, receiver: &str, row: &Row) -> Result<Option<PostedAlert>, AlertsError> {
    let memory: InstanceMemory =
        serde_json::from_value(row.get(3)).map_err(|error| AlertsError::Unreadable {
            what: "the stored state of an instance".to_owned(),
            why: error.to_string(),
        })?;
    let (instance, Some(notified)) = (&memory.instance, memory.notified.get(receiver)) else {
        return Ok(None);
    };
    // What it was never told of, such as an episode within a cool-down, is not kept alive there.
    if notified.episode != instance.episode || notified.notified_at.is_none() {
        return Ok(None);
    }
    let (labels, annotations) = (texts(row.get(0)), texts(row.get(1)));
    let woken = memory.wakes.get(receiver).copied().unwrap_or_default();
    let ends_at = instance.resolved_at.filter(|_| !instance.condition.is_open());
    if ends_at.is_none() && !notified.open {
        return Ok(None);
    }
    Ok(Some(PostedAlert {
        alert: Alert {
            links: settings.link_targets.links(&labels, &annotations),
            labels,
            annotations,
            value: row.get(2),
            starts_at: instance.firing_since.unwrap_or_default(),
            ends_at,
        },
        interval: Duration::try_from_secs_f64(row.get(4)).unwrap_or(RESEND),
        wake: woken.wake.0,
        superseded_at: woken.at,
    }))
}

const READ_NOTIFIED_INSTANCES: &str = "
    select i.labels, i.annotations, i.value, i.memory, r.interval_seconds
    from ledger.alert_instance as i
    join ledger.rule as r using (rule)
    left join ledger.rule_group as g using (rule_group)
    where (g.owner = $1 or r.removed_at is not null) and i.memory -> 'notified' ? $2
      and (i.condition in ('firing', 'recovering') or i.resolved_at > $3)";
