//! Roles of teams as an administrator gives and takes them.

use crate::support::{self, BinaryFixture};

/// Two teams with a namespace each.
const NAMESPACES: &str = "
    select ledger.ensure_partitions();
    insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at) values ('dfw', 'a', 'u', '2026-01-01');
    insert into ledger.setting (name, value) values ('owners.namespace_label', 'team');
    insert into ledger.namespace
    select 1, md5('u-' || t)::uuid, null, 'ns-' || t, '2026-01-01', null, jsonb_build_object('team', t), '{}', '{}', 'Active', '[]', 1, 1, 1, 1,
        1, 1, null, '2026-01-01', '2026-01-01', '2026-01-01'
    from unnest(array['red', 'blue']) as t;
    select ledger.apply_owners(array[1], '2026-01-01')";

#[tokio::test]
async fn a_role_is_granted_to_a_team_listed_and_taken_back() {
    let server = support::postgres().await;
    let url = support::migrated(&server, "ledger").await;
    let owner = support::client(&url).await;
    owner.batch_execute(NAMESPACES).await.unwrap();
    let setup = BinaryFixture::new(&format!("[postgres]\nurl = \"{url}\"\ntls = \"off\"\n"));

    let (code, output) = setup.run_to_text(&["teams", "grant", "red"]);
    assert!(
        code == 0 && output.contains("role fleetledger_team_red sees the rows of team red"),
        "{code} {output}"
    );
    let (code, said) = setup.run_to_text(&["teams", "grant", "red"]);
    assert_eq!(code, 0, "granting twice is granting once: {said}");
    let listed = setup.run(&["teams", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed[0]["role_name"], "fleetledger_team_red");
    assert_eq!(listed[0]["namespaces"], 1);
    let (code, said) = setup.run_to_text(&["teams", "list"]);
    assert!(
        code == 0 && said.contains("fleetledger_team_red"),
        "{code} {said}"
    );

    let team = support::client(&url.replacen("fleetledger@", "fleetledger_team_red@", 1)).await;
    let mine = "select coalesce(string_agg(namespace, ' '), 'nothing') from fleet.namespace";
    let visible_namespaces: String = team.query_one(mine, &[]).await.unwrap().get(0);
    assert_eq!(visible_namespaces, "ns-red");

    let (code, said) = setup.run_to_text(&["teams", "revoke", "red"]);
    assert!(
        code == 0 && said.contains("team red has no role any more"),
        "{code} {said}"
    );
    // The open session may be refused or shown nothing; red's rows it is not shown.
    if let Ok(row) = team.query_one(mine, &[]).await {
        assert_eq!(row.get::<_, String>(0), "nothing");
    }
    let (code, said) = setup.run_to_text(&["teams", "revoke", "red"]);
    assert!(
        code == 5 && said.contains("team red has no role"),
        "{code} {said}"
    );
    let (code, said) = setup.run_to_text(&["teams", "grant", ""]);
    assert!(
        code == 5 && said.contains("write it as its namespaces do"),
        "{code} {said}"
    );
}
