//! A hundred thousand alerts that fire, and the notifications they make.

use std::time::Duration;

use anyhow::Context as _;
use fleetledger_local::postgres::Postgres;

use super::{LIMIT, complete_slots, endpoint::Endpoint, evaluator, files, interval, load};
use crate::{
    figure::{Figure, Report, median},
    parts::{self, Ledger, Setting},
};

/// Rules of 500 alerts each.
const RULES: usize = 200;
/// Slots after the one at which all begin to fire.
const SLOTS: usize = 3;
/// How long deliveries are watched at most.
const WATCHED: Duration = Duration::from_secs(240);

const CLUSTERS: &str = "
    insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at)
    select 'dc' || c % 5, 'prod-' || c, 'uid-' || c, now() - interval '1 day' from generate_series(1, 50) as c";

/// Runs it.
pub(super) async fn run(setting: &Setting, report: &mut Report, postgres: &Postgres) -> anyhow::Result<()> {
    let rules = setting.scaled(RULES).max(2);
    let ledger = Ledger::create(postgres, "firing").await?;
    ledger.client.batch_execute(CLUSTERS).await?;
    let folder = tempfile::tempdir()?;
    let queries = folder.path().join("queries");
    std::fs::create_dir(&queries)?;
    files::firing(&queries, rules, interval(setting))?;
    let endpoint = Endpoint::start().await?;
    let secret = folder.path().join("url");
    std::fs::write(&secret, &endpoint.url)?;
    let receivers = format!(
        "[receivers.endpoint]\nkind = \"webhook\"\nsecret_url = \"file:{}\"\n",
        secret.display()
    );
    let started = "select clock_timestamp()::text";
    let started: String = ledger.client.query_one(started, &[]).await?.get(0);
    let mut program = evaluator(setting, postgres, "firing", &queries, &receivers)?;
    complete_slots(&ledger.client, &mut program, rules, 1 + SLOTS).await?;
    let begun = std::time::Instant::now();
    let open = "select count(*) from ledger.outbox where state = 'queued'";
    let drained = parts::until("notifications are delivered", LIMIT, async || {
        program.check_alive()?;
        Ok(begun.elapsed() > WATCHED || ledger.number(open).await? == 0)
    });
    drained.await?;
    program.kill().await?;

    // The newest slot is applied when the evaluator starts, in the middle of an interval.
    let slots = format!(
        "select extract(epoch from max(applied_at) - greatest(slot, '{started}'::timestamptz))::double precision
         from ledger.rule_run where rule like 'bench-%'
         group by slot having count(*) >= $1 order by slot"
    );
    let rows = ledger.client.query(&slots, &[&i64::try_from(rules)?]).await?;
    let seconds: Vec<f64> = rows.iter().map(|row| row.get(0)).collect();
    let (first, later) = seconds.split_first().context("no slot was applied")?;
    let firing = ledger
        .number("select count(*) from ledger.alert_instance where condition = 'firing'")
        .await?;
    let what = format!("{firing} firing instances of {rules} rules");
    let detail = format!(
        "{what} go on firing: from the slot until the last rule stands, deliveries under way; median of {}; load {}",
        later.len(),
        load()
    );
    report.add(Figure::new(
        "rules_100k_firing_slot_seconds",
        median(later),
        "s",
        detail,
    ));
    let detail = format!(
        "{what} begin to fire: instances, events and a notification each; load {}",
        load()
    );
    report.add(Figure::new("rules_100k_begin_slot_seconds", *first, "s", detail));

    let sent = "
        select count(*), coalesce(extract(epoch from max(settled_at) - min(first_attempt_at)), 0)::double precision
        from ledger.outbox where state = 'sent'";
    let row = ledger.client.query_one(sent, &[]).await?;
    let (count, took): (i64, f64) = (row.get(0), row.get(1));
    let detail = format!(
        "{count} notifications to a webhook on this machine in {took:.1} s, 16 at once; the endpoint took {}; load {}",
        endpoint.taken(),
        load()
    );
    let rate = if took > 0.0 { count as f64 / took } else { 0.0 };
    report.add(Figure::new(
        "notifications_per_second",
        rate,
        "notifications/s",
        detail,
    ));
    Ok(())
}
