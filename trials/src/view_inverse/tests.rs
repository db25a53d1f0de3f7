//! SELECTs as PostgreSQL shows them, read back.

use super::*;

const POD: &str = " SELECT l.datacenter,
 p.node,
 t.team,
 round(p.request_cpu_millicores::numeric / 1000.0, 3) AS cpu_request_cores,
 k.kind,
 GREATEST(p.to_offset - p.from_offset, 0::bigint) AS lag,
     CASE
         WHEN p.seen > 0 THEN round(p.used / '3600000000'::numeric, 6)
         ELSE NULL::numeric
     END AS used_hours,
 p.retired_at IS NULL AND f.at IS NULL AS is_new
FROM ledger.pod p
  JOIN ledger.cluster l USING (cluster_id)
  JOIN ( VALUES (1,'node'::text), (2,'pod'::text)) k(number, kind) ON k.number = p.kind
  LEFT JOIN ledger.namespace_team t ON t.cluster_id = p.cluster_id AND t.namespace = p.namespace
  LEFT JOIN ( SELECT max(g.at) AS at
        FROM ledger.gap g) f ON true;";

fn harness(table: usize, column: &str) -> LedgerPlace {
    LedgerPlace {
        table,
        column: column.to_owned(),
    }
}

fn show_labels(terms: &[(&str, bool)], unit: f64) -> ColumnInverse {
    let terms = terms.iter().map(|(column, is_negative)| SumTerm {
        harness: harness(0, column),
        is_negative: *is_negative,
    });
    ColumnInverse::Shown(ShownSum {
        terms: terms.collect(),
        unit,
    })
}

#[test]
fn a_select_is_read_back_column_by_column() {
    let view = ViewInverse::parse(POD).unwrap();
    let tables: Vec<(&str, bool)> = view
        .tables
        .iter()
        .map(|table| (table.name.as_str(), table.is_needed))
        .collect();
    assert_eq!(
        tables,
        [("pod", true), ("cluster", true), ("namespace_team", false)]
    );
    assert_eq!(view.columns["node"], show_labels(&[("node", false)], 1.0));
    assert_eq!(
        view.columns["cpu_request_cores"],
        show_labels(&[("request_cpu_millicores", false)], 1000.0)
    );
    assert_eq!(
        view.columns["lag"],
        show_labels(&[("to_offset", false), ("from_offset", true)], 1.0)
    );
    assert_eq!(view.columns["used_hours"], show_labels(&[("used", false)], 3.6e9));
    assert_eq!(
        view.columns["kind"],
        ColumnInverse::AddressLabels {
            harness: harness(0, "kind"),
            numbers: BTreeMap::from([
                ("node".to_owned(), Value::from(1)),
                ("pod".to_owned(), Value::from(2))
            ]),
        }
    );
    assert_eq!(
        view.columns["is_new"],
        ColumnInverse::Computed {
            of: vec![harness(0, "retired_at")],
            from: vec!["gap".to_owned()],
        }
    );
    assert!(
        view.equal
            .contains(&(harness(2, "namespace"), harness(0, "namespace")))
    );
}

#[test]
fn a_view_over_an_aggregate_names_the_tables_it_is_made_of() {
    let sql = "select r.pods from (select count(*) as pods from ledger.pod p group by p.node) r";
    assert_eq!(
        ViewInverse::parse(sql),
        Err(NoInverse::MadeOf(vec!["pod".to_owned()]))
    );
    let of_two = "select 1 as a from ledger.node union all select 2 from ledger.node_history";
    assert_eq!(
        ViewInverse::parse(of_two),
        Err(NoInverse::MadeOf(vec!["node".to_owned()]))
    );
}
