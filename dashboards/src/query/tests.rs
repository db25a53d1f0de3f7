use super::*;
use crate::variable::VARIABLES;

fn view() -> DashboardView {
    let chosen = [
        ("datacenter", ChosenValues::All),
        (
            "cluster",
            ChosenValues::Values(vec!["a".to_owned(), "o'b".to_owned()]),
        ),
        ("namespace", ChosenValues::Values(vec!["pay".to_owned()])),
        ("node", ChosenValues::Values(vec!["n'1".to_owned()])),
    ];
    DashboardView {
        from: "2026-05-05T10:00:00Z".parse().unwrap(),
        to: "2026-05-05T11:00:00Z".parse().unwrap(),
        interval_ms: 30_000,
        chosen: chosen.map(|(name, chosen)| (name.to_owned(), chosen)).into(),
    }
}

fn check(sql: &str, expected: &str) {
    assert_eq!(expand(sql, VARIABLES, &view()).as_deref(), Ok(expected));
}

#[test]
fn variables_become_lists_one_value_or_what_means_all() {
    check("datacenter in ($datacenter)", "datacenter in (datacenter)");
    check("cluster in (${cluster})", "cluster in ('a','o''b')");
    check("namespace in ([[namespace]])", "namespace in ('pay')");
    check("node = '$node'", "node = 'n''1'");
    check("node = ${node:sqlstring}", "node = 'n''1'");
    check("node like '$__searchFilter'", "node like '%'");
    check(
        "$__interval $__interval_ms $__range_s ${__from}",
        "30s 30000 3600 1777975200000",
    );
}

#[test]
fn macros_become_what_the_data_source_documents() {
    let (from, to) = ("'2026-05-05T10:00:00Z'", "'2026-05-05T11:00:00Z'");
    check("$__time(at)", "at AS \"time\"");
    check("$__timeEpoch(at)", "extract(epoch from at) as \"time\"");
    check("$__timeFilter(s.at)", &format!("s.at BETWEEN {from} AND {to}"));
    check("f($__timeFrom(), $__timeTo())", &format!("f({from}, {to})"));
    check("$__timeGroup(at, '5m')", "floor(extract(epoch from at)/300)*300");
    check(
        "$__timeGroup(at, $__interval)",
        "floor(extract(epoch from at)/30)*30",
    );
    check(
        "$__timeGroupAlias(at,'1h',0)",
        "floor(extract(epoch from at)/3600)*3600 AS \"time\"",
    );
    check("$__unixEpochFilter(n)", "n >= 1777975200 AND n <= 1777978800");
    check("$__unixEpochFrom() $__unixEpochTo()", "1777975200 1777978800");
    check(
        "$__unixEpochNanoFrom() $__unixEpochNanoTo()",
        "1777975200000000000 1777978800000000000",
    );
    check(
        "$__unixEpochNanoFilter(n)",
        "n >= 1777975200000000000 AND n <= 1777978800000000000",
    );
    check("$__unixEpochGroup(n,'1m')", "floor((n)/60)*60");
    check("$__unixEpochGroupAlias(n,'1m')", "floor((n)/60)*60 AS \"time\"");
}

#[test]
fn a_time_group_before_a_comma_names_its_column_as_grafana_does() {
    let group = "floor(extract(epoch from at)/300)*300";
    check(
        "select $__timeGroup(at, '5m'), count(*)",
        &format!("select {group} AS \"time\", count(*)"),
    );
    // Not behind a space, nor at the end of a bracket.
    check("$__timeGroup(at, '5m') , n", &format!("{group} , n"));
    check(
        "over (order by $__timeGroup(at, '5m'))",
        &format!("over (order by {group})"),
    );
    // The first call with the same text decides, for better or worse.
    check(
        "select $__timeGroup(at, '5m'), n group by $__timeGroup(at, '5m')",
        &format!("select {group} AS \"time\", n group by {group} AS \"time\""),
    );
    check(
        "select $__timeGroup(at, '5m') as t, n group by $__timeGroup(at, '5m'), n",
        &format!("select {group} as t, n group by {group}, n"),
    );
}

#[test]
fn what_grafana_would_not_know_is_an_error() {
    let expand = |sql: &str| expand(sql, VARIABLES, &view());
    assert_eq!(
        expand("$kluster"),
        Err(PanelQueryError::Variable("kluster".to_owned()))
    );
    assert_eq!(expand("$team"), Err(PanelQueryError::Variable("team".to_owned())));
    assert_eq!(
        expand("$__timeBucket(at)"),
        Err(PanelQueryError::Macro("__timeBucket".to_owned()))
    );
    assert!(matches!(
        expand("$__timeFilter()"),
        Err(PanelQueryError::Call { .. })
    ));
    assert!(matches!(
        expand("$__timeGroup(at, 'soon')"),
        Err(PanelQueryError::Call { .. })
    ));
    let mut several = view();
    several.chosen.insert("node".to_owned(), ChosenValues::All);
    assert!(matches!(
        super::expand("'$node'", VARIABLES, &several),
        Err(PanelQueryError::Several(_))
    ));
}
