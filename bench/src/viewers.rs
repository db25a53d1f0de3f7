//! People look while changes come: the fleet changes at a fixed rate, and viewers keep every dashboard open.
//!
//! A viewer asks for every panel of every dashboard each refresh, variables before them: more than a browser does, which
//! asks for what is on the screen. Dashboards take turns within the refresh, and so do viewers, as browsers that were
//! opened at different times. Who falls behind asks at once, and the figure `viewers_kept_up` says so. Sessions are those
//! of Grafana's data source, one for each core as deploy/grafana says: viewers wait for them in turn.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use deadpool_postgres::Pool;
use fleetledger_dashboards::{Dashboard, folder, load, query::expand, variable::VARIABLES};
use fleetledger_schema::instant::Instant as Wall;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    central_site::{CentralSite, LandedRecord},
    dashboards,
    figure::{BenchFigure, BenchReport, median, percentile},
    parts::BenchContext,
};

const VIEWERS: usize = 20;
/// What the dashboards ask for.
const REFRESH_SECONDS: f64 = 30.0;
const CHANGES_PER_SECOND: f64 = 2000.0;
/// Simulated clusters; each is an emitter process of its own.
const EMITTERS: usize = 4;
/// Pods that stand with their history before anything changes.
const PODS: usize = 100_000;
/// Pods of each simulated cluster, which come to them.
const SIMULATED_PODS: usize = 10_000;

/// Somebody with all dashboards open.
struct DashboardViewer {
    number: usize,
    /// Its turn within the time that a dashboard has of a refresh, from 0 to 1.
    place: f64,
    sessions: Pool,
    dashboards: Arc<Vec<(String, Dashboard)>>,
    begin: Instant,
    end: Instant,
    refresh: Duration,
}

/// A panel that was shown.
struct ViewerLatency {
    panel: String,
    asked_at: Instant,
    latency_ms: f64,
}

/// Runs it.
pub(crate) async fn run(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    let seconds = (120.0 * setting.scale).max(5.0);
    let refresh = REFRESH_SECONDS.min(seconds);
    let pods = setting.scaled(PODS);
    let mut site = CentralSite::start(setting, "viewers", async |ledger| {
        dashboards::fill(ledger, pods).await
    })
    .await?;
    let rate = CHANGES_PER_SECOND * setting.scale.min(1.0);
    let simulated = setting.scaled(SIMULATED_PODS).max(200);
    let mut emitters = site.simulate(&setting.program, EMITTERS, rate, simulated)?;
    site.await_sweeps(EMITTERS).await?;
    let caught_up = site.await_catch_up(rate).await?;

    let all = Arc::new(load(folder())?);
    let panels: usize = all.iter().map(|(_, dashboard)| dashboard.panels().count()).sum();
    // The first refresh opens the dashboards, and is not counted.
    let begin = Instant::now();
    let counted = begin + Duration::from_secs_f64(refresh);
    let end = counted + Duration::from_secs_f64(seconds);
    let viewers = setting.scaled(VIEWERS).min(VIEWERS);
    // What deploy/grafana says of `maxOpenConns`.
    let cores = std::thread::available_parallelism()?.get();
    let sessions = dashboards::readers(&site.postgres, site.prefix, cores)?;
    let mut viewing = JoinSet::new();
    for number in 0..viewers {
        let viewer = DashboardViewer {
            number,
            place: number as f64 / viewers as f64,
            sessions: sessions.clone(),
            dashboards: Arc::clone(&all),
            begin,
            end,
            refresh: Duration::from_secs_f64(refresh),
        };
        viewing.spawn(viewer.view_dashboards());
    }
    tokio::time::sleep_until(counted).await;
    let first = Wall::now();
    tokio::time::sleep_until(end).await;
    let last = Wall::now();
    let mut shown = Vec::new();
    while let Some(looked) = viewing.join_next().await {
        shown.extend(looked.context("a viewer was cancelled")??);
    }
    for emitter in &mut emitters {
        emitter.check_alive()?;
        emitter.kill().await?;
    }
    shown.retain(|shown| shown.asked_at >= counted);
    let due = (viewers * panels) as f64 * seconds / refresh;
    report_latencies(
        &shown,
        due,
        &format!(
            "{viewers} viewers who refresh every dashboard each {refresh:.0} s through {cores} sessions{caught_up}"
        ),
        report,
    );
    let within = first.0 as f64 / 1000.0..last.0 as f64 / 1000.0;
    judge(&site.landed_records().await?, &within, pods, report)
}

impl DashboardViewer {
    /// Looks at everything until the end.
    async fn view_dashboards(self) -> anyhow::Result<Vec<ViewerLatency>> {
        let mut shown = Vec::new();
        let places = self.dashboards.len().max(1) as f64;
        let mut opened = self.begin;
        while opened < self.end {
            for (place, (_, dashboard)) in self.dashboards.iter().enumerate() {
                let due = opened + self.refresh.mul_f64((place as f64 + self.place) / places);
                tokio::time::sleep_until(due).await;
                if Instant::now() >= self.end {
                    return Ok(shown);
                }
                self.open(dashboard, &mut shown).await?;
            }
            opened += self.refresh;
        }
        Ok(shown)
    }

    async fn open(&self, dashboard: &Dashboard, shown: &mut Vec<ViewerLatency>) -> anyhow::Result<()> {
        let hours = dashboards::hours(&dashboard.from)?;
        let view = dashboards::view(&*self.sessions.get().await?, dashboard, hours, self.number).await?;
        for panel in dashboard.panels() {
            let sql = expand(&panel.raw_sql(), VARIABLES, &view)?;
            let asked_at = Instant::now();
            let name = || format!("{} / {}", dashboard.title, panel.title);
            let session = self.sessions.get().await?;
            session.simple_query(&sql).await.with_context(name)?;
            shown.push(ViewerLatency {
                panel: name(),
                asked_at,
                latency_ms: asked_at.elapsed().as_secs_f64() * 1000.0,
            });
        }
        Ok(())
    }
}

/// How long panels took, and whether all that were due were shown.
fn report_latencies(shown: &[ViewerLatency], due: f64, whom: &str, report: &mut BenchReport) {
    let ms: Vec<f64> = shown.iter().map(|shown| shown.latency_ms).collect();
    let slowest = shown.iter().max_by(|a, b| a.latency_ms.total_cmp(&b.latency_ms));
    let detail = format!(
        "95th percentile over {} panels shown to {whom}; median {:.0} ms, most {:.0} ms: {}",
        shown.len(),
        median(&ms),
        percentile(&ms, 100.0),
        slowest.map_or("", |shown| shown.panel.as_str()),
    );
    report.add(BenchFigure::new(
        "viewers_panel_p95_ms",
        percentile(&ms, 95.0),
        "ms",
        detail,
    ));
    let detail = format!("panels shown in the time counted by panels due in it, {due:.0}");
    report.add(BenchFigure::new(
        "viewers_kept_up",
        shown.len() as f64 / due,
        "ratio",
        detail,
    ));
}

/// How long changes took while they looked, and whether ever more of them waited.
fn judge(
    landed: &[LandedRecord],
    within: &std::ops::Range<f64>,
    pods: usize,
    report: &mut BenchReport,
) -> anyhow::Result<()> {
    let of_time = landed
        .iter()
        .filter(|record| within.contains(&record.produced_ms));
    let ms: Vec<f64> = of_time
        .map(|record| record.landed_ms - record.produced_ms)
        .collect();
    anyhow::ensure!(!ms.is_empty(), "nothing changed while the viewers looked");
    let seconds = (within.end - within.start) / 1000.0;
    let detail = format!(
        "simulated emitters' produce → commit while viewers look; {} records at {:.0}/s for {seconds:.0} s, beside {pods} pods with history; median {:.0} ms, most {:.0} ms",
        ms.len(),
        ms.len() as f64 / seconds,
        percentile(&ms, 50.0),
        percentile(&ms, 100.0),
    );
    let freshness = percentile(&ms, 99.0);
    report.add(BenchFigure::new(
        "viewers_freshness_p99_ms",
        freshness,
        "ms",
        detail,
    ));
    let (early, late) = lag(landed, within);
    let detail = format!(
        "records produced and not landed: median of the last third of {seconds:.0} s ({late:.0}) less that of the first ({early:.0})"
    );
    report.add(BenchFigure::new(
        "viewers_lag_growth",
        late - early,
        "records",
        detail,
    ));
    Ok(())
}

/// Median of the records that were produced and had not landed, in the first and in the last third of a time.
fn lag(landed: &[LandedRecord], within: &std::ops::Range<f64>) -> (f64, f64) {
    let sorted = |of: fn(&LandedRecord) -> f64| {
        let mut ms: Vec<f64> = landed.iter().map(of).collect();
        ms.sort_by(f64::total_cmp);
        ms
    };
    let (produced, done) = (
        sorted(|record| record.produced_ms),
        sorted(|record| record.landed_ms),
    );
    let third = (within.end - within.start) / 3.0;
    let of_third = |begin: f64| {
        const SAMPLES: u32 = 200;
        let looks = (0..SAMPLES).map(|look| begin + third * f64::from(look) / f64::from(SAMPLES));
        let waiting = looks.map(|at| {
            let until = |ms: &[f64]| ms.partition_point(|one| *one <= at) as f64;
            until(&produced) - until(&done)
        });
        median(&waiting.collect::<Vec<f64>>())
    };
    (of_third(within.start), of_third(within.end - third))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_grows_where_records_wait_longer_and_longer() {
        let record = |second: u32, waits: f64| LandedRecord {
            produced_ms: f64::from(second) * 1000.0,
            landed_ms: f64::from(second) * 1000.0 + waits,
        };
        let steady: Vec<LandedRecord> = (0..90).map(|second| record(second, 2500.0)).collect();
        let (early, late) = lag(&steady, &(3000.0..90_000.0));
        assert!((late - early).abs() < 1.0, "{early} {late}");
        let growing: Vec<LandedRecord> = (0..90)
            .map(|second| record(second, f64::from(second) * 500.0))
            .collect();
        let (early, late) = lag(&growing, &(3000.0..90_000.0));
        assert!(late > early + 10.0, "{early} {late}");
    }
}
