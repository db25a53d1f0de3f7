//! `fleetledger teams list|grant|revoke`: roles that see one team's rows.

use anyhow::Context as _;
use tokio_postgres::Client;

use crate::{
    cli::{OutputFormat, TeamsCommand},
    config::LoadedConfig,
    exit::ExitReason,
    output::{OutputColumn, OutputTable, counted, print_rows},
    setup::database,
};

/// Gives a team its role.
const GRANT_TEAM: &str = "select ledger.team_grant($1)";

/// Takes a team's role away.
const REVOKE_TEAM: &str = "select ledger.team_revoke($1)";

pub(super) async fn run(loaded: &LoadedConfig, command: TeamsCommand) -> anyhow::Result<ExitReason> {
    let (_, client) = database(loaded, "fleetledger-teams").await?;
    match command {
        TeamsCommand::List(args) => list(&client, args.format()).await?,
        TeamsCommand::Grant { team } => {
            let row = client.query_one(GRANT_TEAM, &[&team]).await;
            let row = row.with_context(|| {
                format!("grant a role to team {team} (postgres.user must be the owner of the database and may create roles)")
            })?;
            let role: String = row.try_get(0)?;
            println!(
                "role {role} sees the rows of team {team}; let it in, such as by: psql -c '\\password {role}'"
            );
        }
        TeamsCommand::Revoke { team } => {
            let row = client.query_one(REVOKE_TEAM, &[&team]).await;
            let row = row.with_context(|| format!("revoke the role of team {team}"))?;
            let number: i32 = row.try_get(0)?;
            anyhow::ensure!(
                number > 0,
                "team {team} has no role; fleetledger teams list shows them all"
            );
            println!("team {team} has no role any more; sessions that are open see nothing from now on");
        }
    }
    Ok(ExitReason::Done)
}

/// Teams with a role, and how many namespaces each sees.
const LIST_TEAMS: &str = "
        select r.team, r.role_name, count(t.namespace) as namespaces, r.granted_at
        from ledger.team_role as r
        left join ledger.namespace_team as t using (team)
        group by r.role_name
        order by 1, 2";

async fn list(client: &Client, format: OutputFormat) -> anyhow::Result<()> {
    let rows = client
        .query(LIST_TEAMS, &[])
        .await
        .context("read the roles of teams")?;
    let columns = vec![
        OutputColumn::new("team"),
        OutputColumn::new("role_name").titled("role"),
        OutputColumn::new("namespaces"),
        OutputColumn::new("granted_at").instant().titled("granted"),
    ];
    let table = OutputTable::of_query(columns, &rows)?;
    print_rows(
        format,
        &table,
        "no team has a role; fleetledger teams grant TEAM makes one",
        &format!("{} with a role", counted(rows.len(), "team")),
    )?;
    Ok(())
}
