//! What the fleet cost in the last day, by team.

use fleetledger_queries::ReaderPool;
use serde::Serialize;

use crate::reading::{ReadError, begin, connect};

/// Teams with a line of their own; what the others cost is one more.
const MOST_TEAMS: usize = 7;

/// Cost of a day.
#[derive(Debug, Serialize)]
pub(super) struct CostSummary {
    /// What all nodes cost; `None` = no hour was rated.
    total: Option<f64>,
    /// Its currency, as the price sheet names it.
    currency: Option<String>,
    /// The dearest first.
    teams: Vec<TeamCost>,
    /// Part of the total that nobody asked for, 0 to 1.
    idle_share: Option<f64>,
}

/// Cost of one team, or of what is no team's.
#[derive(Debug, Serialize)]
struct TeamCost {
    name: String,
    /// True if it stands for no team: idle, system, no owner, others.
    is_no_team: bool,
    cost: f64,
    /// Of the total, 0 to 1.
    share: f64,
}

/// Cost of the last 24 hours by whole hours, the running one as far as it was rated.
const READ_COST: &str = "
    select team, cost::double precision, currency
    from fleet.cost_by_team(
        date_trunc('hour', fleet.as_of(), 'UTC') - interval '23 hours', date_trunc('hour', fleet.as_of(), 'UTC') + interval '1 hour')
    order by cost desc nulls last, team";

pub(super) async fn read_cost(reader: &ReaderPool) -> Result<CostSummary, ReadError> {
    let mut client = connect(reader).await?;
    let transaction = begin(&mut client).await?;
    let rows = transaction.query(READ_COST, &[]).await?;
    let read = rows.iter().map(|row| {
        let (team, cost): (Option<String>, Option<f64>) = (row.get(0), row.get(1));
        (team.unwrap_or_default(), cost.unwrap_or_default())
    });
    let currency = rows.first().and_then(|row| row.get(2));
    Ok(summary(read.collect(), currency))
}

fn summary(rows: Vec<(String, f64)>, currency: Option<String>) -> CostSummary {
    let total: f64 = rows.iter().map(|(_, cost)| cost).sum();
    let share = |cost: f64| if total > 0.0 { cost / total } else { 0.0 };
    let idle = rows
        .iter()
        .find(|(team, _)| team == "__idle__")
        .map(|(_, cost)| share(*cost));
    let line = |(team, cost): &(String, f64)| {
        let no_team = match team.as_str() {
            "__idle__" => Some("idle"),
            "__system__" => Some("system"),
            "__unallocated__" | "" => Some("no owner"),
            _ => None,
        };
        TeamCost {
            name: no_team.unwrap_or(team).to_owned(),
            is_no_team: no_team.is_some(),
            cost: *cost,
            share: share(*cost),
        }
    };
    let mut teams: Vec<TeamCost> = rows.iter().take(MOST_TEAMS).map(line).collect();
    let others = rows.get(MOST_TEAMS..).unwrap_or_default();
    if !others.is_empty() {
        let cost = others.iter().map(|(_, cost)| cost).sum();
        teams.push(TeamCost {
            name: format!("{} others", others.len()),
            is_no_team: true,
            cost,
            share: share(cost),
        });
    }
    CostSummary {
        total: (!rows.is_empty()).then_some(total),
        currency,
        teams,
        idle_share: idle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_add_up_to_the_total_and_what_is_no_team_has_a_name() {
        let mut rows: Vec<(String, f64)> = vec![
            ("__idle__".to_owned(), 60.0),
            ("__unallocated__".to_owned(), 20.0),
        ];
        rows.extend((0..10).map(|team| (format!("t{team}"), 2.0)));
        let summary = summary(rows, Some("USD".to_owned()));
        assert_eq!((summary.total, summary.idle_share), (Some(100.0), Some(0.6)));
        let names: Vec<&str> = summary.teams.iter().map(|team| team.name.as_str()).collect();
        assert_eq!(
            names,
            ["idle", "no owner", "t0", "t1", "t2", "t3", "t4", "5 others"]
        );
        let sum: f64 = summary.teams.iter().map(|team| team.cost).sum();
        assert!((sum - 100.0).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn without_a_rated_hour_there_is_no_total() {
        let summary = summary(Vec::new(), None);
        assert!(summary.total.is_none() && summary.teams.is_empty());
    }
}
