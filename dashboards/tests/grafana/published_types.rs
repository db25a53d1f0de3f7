//! The JSON against the types that Grafana publishes, of 11 and of 12, by its own language's compiler.

use fleetledger_dashboards::json;
use fleetledger_local::{
    ArtifactCache,
    grafana_types::{self, RELEASES},
    skip::unless_available,
};
use serde_json::Value;

use crate::dashboards;

/// Enums of texts are texts in JSON; everything else stays as it is published. "Connect null values" of a state timeline is
/// documented, and left out of its types.
const HEAD: &str = r#"
import type { Dashboard } from "@grafana/schema";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as timeline from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type * as bars from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
type Timeline = timeline.FieldConfig & { spanNulls?: boolean };
type Plain<T> = T extends string ? `${T}` : T extends (infer E)[] ? Plain<E>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
"#;

/// A program that compiles if every dashboard is one of Grafana's, and every panel's options and field options are
/// those of its kind.
fn program(dashboards: &[Value]) -> String {
    let mut program = HEAD.to_owned();
    let mut number = 0;
    let mut claim = |of: &str, value: &Value| {
        number += 1;
        program.push_str(&format!("export const claim{number}: Plain<{of}> = {value};\n"));
    };
    for dashboard in dashboards {
        claim("Dashboard", dashboard);
        for panel in dashboard["panels"].as_array().unwrap() {
            let (options, fields) = match panel["type"].as_str().unwrap() {
                "row" => continue,
                "stat" => ("stat.Options", None),
                "timeseries" => ("timeseries.Options", Some("timeseries.FieldConfig")),
                "table" => ("table.Options", Some("table.FieldConfig")),
                "state-timeline" => ("timeline.Options", Some("Timeline")),
                "bargauge" => ("Omit<bars.Options, 'legend'>", None),
                other => panic!("no types are known of a {other}"),
            };
            claim(options, &panel["options"]);
            let custom = &panel["fieldConfig"]["defaults"]["custom"];
            match fields {
                Some(fields) => claim(&format!("Partial<{fields}>"), custom),
                None => assert_eq!(custom, &Value::Null),
            }
        }
    }
    program
}

#[tokio::test]
async fn dashboards_are_of_the_types_grafana_publishes() {
    let types = grafana_types::fetch(&ArtifactCache::new(ArtifactCache::default_root())).await;
    let test = "dashboards_are_of_the_types_grafana_publishes";
    let Some(types) = unless_available(test, types).unwrap() else {
        return;
    };
    let made: Vec<Value> = dashboards()
        .iter()
        .map(|(_, dashboard)| json::dashboard(dashboard).unwrap())
        .collect();
    let program = program(&made);
    let mut wrong = made.clone();
    wrong[0]["panels"][1]["options"]["reduceOption"] = Value::Bool(true);
    wrong[0]["schemaVersion"] = Value::String("39".to_owned());
    let wrong = self::program(&wrong[..1]);
    for release in RELEASES {
        assert_eq!(
            types.check(release, &program).await.unwrap(),
            "",
            "Grafana {release}"
        );
        let output = types.check(release, &wrong).await.unwrap();
        for fault in ["reduceOption", "Type 'string' is not assignable to type 'number'"] {
            assert!(output.contains(fault), "the check does not see {fault}: {output}");
        }
    }
}
