//! `fleetledger teams list|grant|revoke`: roles that see one team's rows.

use anyhow::Context as _;
use serde_json::json;
use tokio_postgres::Client;

use crate::{
    cli::TeamsCommand,
    config::LoadedConfig,
    exit::ExitReason,
    output::{self, counted, instant, print_json},
    setup::database,
};

/// Gives a team its role.
const GRANT_TEAM: &str = "select ledger.team_grant($1)";

/// Takes a team's role away.
const REVOKE_TEAM: &str = "select ledger.team_revoke($1)";

pub(super) async fn run(loaded: &LoadedConfig, command: TeamsCommand) -> anyhow::Result<ExitReason> {
    let (_, client) = database(loaded, "fleetledger-teams").await?;
    match command {
        TeamsCommand::List(args) => list(&client, args.json).await?,
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
        select r.team, r.role_name, count(t.namespace) as namespaces, r.granted_at::text as granted_at
        from ledger.team_role as r
        left join ledger.namespace_team as t using (team)
        group by r.role_name
        order by 1, 2";

async fn list(client: &Client, as_json: bool) -> anyhow::Result<()> {
    let rows = client
        .query(LIST_TEAMS, &[])
        .await
        .context("read the roles of teams")?;
    if as_json {
        let document = |row: &tokio_postgres::Row| {
            json!({
                "team": row.get::<_, String>("team"),
                "role": row.get::<_, String>("role_name"),
                "namespaces": row.get::<_, i64>("namespaces"),
                "granted_at": row.get::<_, String>("granted_at"),
            })
        };
        print_json(&rows.iter().map(document).collect());
        return Ok(());
    }
    let row = |row: &tokio_postgres::Row| {
        vec![
            row.get("team"),
            row.get("role_name"),
            row.get::<_, i64>("namespaces").to_string(),
            instant(row.get("granted_at")),
        ]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(row).collect();
    println!(
        "{}{}",
        output::list(&["team", "role", "namespaces", "granted"], &rows),
        match rows.len() {
            0 => "no teams have a role".to_owned(),
            number => format!("{} with a role", counted(number, "team")),
        }
    );
    Ok(())
}
