//! A hundred thousand alerts that fire, and the notifications they make.

use std::time::Duration;

use fleetledger_local::postgres::LocalPostgres;

use super::{LIMIT, SlotWatch, endpoint::CountingEndpoint, evaluator, files, interval, load};
use crate::{
    figure::{BenchFigure, BenchReport, median},
    parts::{BenchContext, BenchLedger},
};

/// Rules of 500 alerts each.
const RULES: usize = 200;
/// Slots after the one at which all begin to fire.
const SLOTS: usize = 2;
/// How long deliveries are watched after that.
const WATCHED: Duration = Duration::from_secs(60);

const CLUSTERS: &str = "
    insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at)
    select 'dc' || c % 5, 'prod-' || c, 'uid-' || c, now() - interval '1 day' from generate_series(1, 50) as c";

/// Runs it.
pub(super) async fn run(
    setting: &BenchContext,
    report: &mut BenchReport,
    postgres: &LocalPostgres,
) -> anyhow::Result<()> {
    let rules = setting.scaled(RULES).max(2);
    let ledger = BenchLedger::create(postgres, "firing").await?;
    ledger.client.batch_execute(CLUSTERS).await?;
    let folder = tempfile::tempdir()?;
    let queries = folder.path().join("queries");
    std::fs::create_dir(&queries)?;
    files::firing(&queries, rules, interval(setting))?;
    let endpoint = CountingEndpoint::start().await?;
    let secret = folder.path().join("url");
    std::fs::write(&secret, &endpoint.url)?;
    let receivers = format!(
        "[receivers.endpoint]\nkind = \"webhook\"\nsecret_url = \"file:{}\"\n",
        secret.display()
    );
    let started = "select clock_timestamp()::text";
    let started: String = ledger.client.query_one(started, &[]).await?.get(0);
    let mut program = evaluator(setting, postgres, "firing", &queries, &receivers)?;
    let slots = SlotWatch::new(rules)
        .complete_slots(&ledger.client, &mut program, 1 + SLOTS)
        .await?;
    let begun = std::time::Instant::now();
    let open = "select count(*) from ledger.outbox where state = 'queued'";
    while begun.elapsed() < WATCHED && ledger.number(open).await? > 0 {
        program.check_alive()?;
        tokio::time::sleep(super::POLL_INTERVAL).await;
    }
    program.kill().await?;

    let storm = FiringResult::read(&ledger, rules, &started).await?;
    let missed = match slots {
        slots if slots > SLOTS => String::new(),
        slots => format!("only {slots} whole slots in {} s; ", LIMIT.as_secs()),
    };
    let what = format!("{missed}{} firing instances of {rules} rules", storm.firing);
    let detail = format!(
        "{what} go on firing: from the slot until the last rule stands, deliveries under way; median of {}; load {}",
        storm.later.len(),
        load()
    );
    let later = match storm.later.as_slice() {
        [] => LIMIT.as_secs_f64(),
        later => median(later),
    };
    report.add(BenchFigure::new(
        "rules_100k_firing_slot_seconds",
        later,
        "s",
        detail,
    ));
    let detail = format!(
        "{what} begin to fire: instances, events and a notification each; load {}",
        load()
    );
    report.add(BenchFigure::new(
        "rules_100k_begin_slot_seconds",
        storm.begin,
        "s",
        detail,
    ));
    let detail = format!(
        "{} notifications delivered in the {:.1} s in which {what} begin to fire; load {}",
        storm.sent_meanwhile,
        storm.begin,
        load()
    );
    let rate = per_second(storm.sent_meanwhile, storm.begin);
    report.add(BenchFigure::new(
        "notifications_per_second_in_storm",
        rate,
        "notifications/s",
        detail,
    ));
    let detail = format!(
        "{} notifications to a webhook on this machine in {:.1} s, 16 at once; the endpoint took {}; load {}",
        storm.sent,
        storm.sending,
        endpoint.taken(),
        load()
    );
    let rate = per_second(storm.sent, storm.sending);
    report.add(BenchFigure::new(
        "notifications_per_second",
        rate,
        "notifications/s",
        detail,
    ));
    Ok(())
}

fn per_second(count: i64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

/// What the ledger says of it.
struct FiringResult {
    firing: i64,
    /// From the slot, or the evaluator's start within it, until every rule stands for the first time, in seconds.
    begin: f64,
    /// From each later slot until every rule stands, in seconds.
    later: Vec<f64>,
    sent_meanwhile: i64,
    sent: i64,
    /// From the first attempt to the last answer, in seconds.
    sending: f64,
}

impl FiringResult {
    async fn read(ledger: &BenchLedger, rules: usize, started: &str) -> anyhow::Result<Self> {
        // The newest slot is applied when the evaluator starts, in the middle of an interval.
        let begin = format!(
            "select count(*), coalesce(extract(epoch from max(first_at) - greatest(min(slot), '{started}'::timestamptz)), 0)::double precision,
                 (select count(*) from ledger.outbox where state = 'sent' and settled_at <= max(first_at))
             from (
                 select rule, min(applied_at) as first_at, min(slot) as slot from ledger.rule_run where rule like 'bench-%' group by rule
             ) as r"
        );
        let row = ledger.client.query_one(&begin, &[]).await?;
        let (begun, seconds, sent_meanwhile): (i64, f64, i64) = (row.get(0), row.get(1), row.get(2));
        let is_whole = begun >= i64::try_from(rules)?;
        let later = "
            select extract(epoch from max(applied_at) - slot)::double precision
            from ledger.rule_run where rule like 'bench-%'
            group by slot having count(*) >= $1 order by slot offset 1";
        let later = ledger.client.query(later, &[&i64::try_from(rules)?]).await?;
        let sent = "
            select count(*), coalesce(extract(epoch from max(settled_at) - min(first_attempt_at)), 0)::double precision
            from ledger.outbox where state = 'sent'";
        let row = ledger.client.query_one(sent, &[]).await?;
        let firing = "select count(*) from ledger.alert_instance where condition = 'firing'";
        Ok(Self {
            firing: ledger.number(firing).await?,
            begin: if is_whole { seconds } else { LIMIT.as_secs_f64() },
            later: later.iter().map(|row| row.get(0)).collect(),
            sent_meanwhile,
            sent: row.get(0),
            sending: row.get(1),
        })
    }
}
