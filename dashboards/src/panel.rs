//! Panels: queries, options and how columns look, by kind and by the names of columns. Names carry units
//! (`age_seconds`), so a column says itself how it is shown.

use serde_json::{Map, Value, json};

use crate::{
    json::datasource,
    source::{Panel, PanelKind},
};

/// Points a series has at most: as many as a wide screen tells apart, and a tenth of what a month holds.
const MAX_POINTS: u32 = 360;

/// Grafana's name of a kind.
fn plugin(kind: PanelKind) -> &'static str {
    match kind {
        PanelKind::Stat => "stat",
        PanelKind::Timeseries => "timeseries",
        PanelKind::Table => "table",
        PanelKind::StateTimeline => "state-timeline",
        PanelKind::Bars => "bargauge",
    }
}

/// Its JSON.
pub(crate) fn json(panel: &Panel, id: u32, place: &Value) -> Value {
    let is_series = matches!(panel.kind, PanelKind::Timeseries | PanelKind::StateTimeline);
    json!({
        "datasource": datasource(),
        "description": panel.description,
        "fieldConfig": { "defaults": defaults(panel), "overrides": overrides(panel) },
        "gridPos": place,
        "id": id,
        "maxDataPoints": MAX_POINTS,
        "options": options(panel.kind),
        "targets": [{
            "datasource": datasource(),
            "editorMode": "code",
            "format": if is_series { "time_series" } else { "table" },
            "rawQuery": true,
            "rawSql": panel.raw_sql(),
            "refId": "A"
        }],
        "title": panel.title,
        "type": plugin(panel.kind)
    })
}

/// How a panel shows its values.
fn options(kind: PanelKind) -> Value {
    let legend = json!({ "calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": true });
    let reduce = |values: bool| json!({ "calcs": ["lastNotNull"], "fields": "", "values": values });
    match kind {
        PanelKind::Stat => json!({
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": reduce(false),
            "showPercentChange": false,
            "textMode": "auto",
            "wideLayout": true
        }),
        PanelKind::Timeseries => json!({
            "legend": legend,
            "tooltip": { "mode": "multi", "sort": "desc" }
        }),
        PanelKind::Table => json!({
            "cellHeight": "sm",
            "frameIndex": 0,
            "showHeader": true
        }),
        PanelKind::StateTimeline => json!({
            "alignValue": "left",
            "legend": legend,
            "mergeValues": true,
            "rowHeight": 0.9,
            "showValue": "auto",
            "tooltip": { "mode": "single", "sort": "none" }
        }),
        PanelKind::Bars => json!({
            "displayMode": "basic",
            "maxVizHeight": 30,
            "minVizHeight": 12,
            "minVizWidth": 8,
            "namePlacement": "auto",
            "orientation": "horizontal",
            "reduceOptions": reduce(true),
            "showUnfilled": true,
            "sizing": "auto",
            "valueMode": "color"
        }),
    }
}

/// What holds for all of a panel's columns.
fn defaults(panel: &Panel) -> Value {
    let mut defaults = Map::new();
    let mut set = |name: &str, value: Value| defaults.insert(name.to_owned(), value);
    // Grafana shows this in place of "No data".
    set("noValue", json!(panel.empty));
    set("thresholds", thresholds(&panel.steps()));
    if let Some(unit) = &panel.unit {
        set("unit", json!(unit));
    }
    let colour = match panel.kind {
        PanelKind::Timeseries => "palette-classic",
        _ => "thresholds",
    };
    set("color", json!({ "mode": colour }));
    match panel.kind {
        PanelKind::Timeseries => {
            set("min", json!(0));
            set("custom", series(panel.stacked));
        }
        PanelKind::StateTimeline => {
            // A row tells of one series alone; the others have nothing at its instant and go on as they were.
            set(
                "custom",
                json!({ "fillOpacity": 80, "lineWidth": 0, "spanNulls": true }),
            );
            set("mappings", state_mappings(&panel.state_colours()));
        }
        PanelKind::Table => {
            let custom = json!({ "align": "auto", "cellOptions": { "type": "auto" }, "filterable": true, "inspect": false });
            set("custom", custom);
        }
        PanelKind::Bars => {
            set("min", json!(0));
        }
        PanelKind::Stat => {}
    }
    Value::Object(defaults)
}

fn thresholds(steps: &[(f64, String)]) -> Value {
    let mut given = steps.iter();
    let base = given.next().map_or("text", |(_, colour)| colour.as_str());
    let mut made = vec![json!({ "color": base, "value": null })];
    made.extend(given.map(|(at, colour)| json!({ "color": colour, "value": at })));
    json!({ "mode": "absolute", "steps": made })
}

fn series(stacked: bool) -> Value {
    json!({
        "drawStyle": "line",
        "fillOpacity": if stacked { 40 } else { 8 },
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "pointSize": 4,
        "showPoints": "auto",
        // Beyond an hour without a sample nothing is known, and no line says otherwise.
        "spanNulls": 3_600_000,
        "stacking": { "group": "A", "mode": if stacked { "normal" } else { "none" } }
    })
}

/// The numbers of [`Panel::raw_sql`] by name again.
fn state_mappings(states: &[(String, String)]) -> Value {
    let named = states.iter().zip(1_u32..).map(|((state, colour), number)| {
        (
            number.to_string(),
            json!({ "color": colour, "index": number - 1, "text": state }),
        )
    });
    json!([{ "options": named.collect::<Map<_, _>>(), "type": "value" }])
}

/// What holds for single columns of a table.
fn overrides(panel: &Panel) -> Value {
    let columns = panel.columns.iter().filter_map(|column| {
        let mut properties = Vec::new();
        if let Some(unit) = unit(column) {
            properties.push(json!({ "id": "unit", "value": unit }));
        }
        if let Some(link) = link(column) {
            properties.push(json!({ "id": "links", "value": [link] }));
        }
        if let Some(mappings) = colours(column) {
            properties.push(json!({ "id": "custom.cellOptions", "value": { "type": "color-text" } }));
            properties.push(json!({ "id": "mappings", "value": mappings }));
        }
        let matcher = json!({ "id": "byName", "options": column });
        (!properties.is_empty()).then(|| json!({ "matcher": matcher, "properties": properties }))
    });
    Value::Array(columns.collect())
}

/// Unit by the ending of a column's name.
fn unit(column: &str) -> Option<&'static str> {
    let endings = [
        ("_seconds", "s"),
        ("_bytes", "bytes"),
        ("_percent", "percent"),
        ("_cores", "suffix: cores"),
        ("_at", "dateTimeAsIso"),
        ("_since", "dateTimeAsIso"),
        ("_until", "dateTimeAsIso"),
    ];
    endings
        .into_iter()
        .find(|(ending, _)| column.ends_with(ending))
        .map(|(_, unit)| unit)
}

/// Where a click on a cell leads: to the dashboard of what it names, with the same range.
fn link(column: &str) -> Option<Value> {
    let (title, dashboard, variable) = match column {
        "datacenter" => (
            "Datacenter ${__value.raw}",
            "fleetledger-datacenter",
            "datacenter",
        ),
        "cluster" => ("Cluster ${__value.raw}", "fleetledger-datacenter", "cluster"),
        "node" => ("Node ${__value.raw}", "fleetledger-node", "node"),
        "namespace" => (
            "Namespace ${__value.raw}",
            "fleetledger-workload",
            "one_namespace",
        ),
        "watchdog" => ("Watchdogs", "fleetledger-watchdogs", ""),
        "alertname" => ("History of alerts", "fleetledger-alerts", ""),
        "team" => ("Team ${__value.raw}", "fleetledger-customer", "one_team"),
        "runbook" => {
            let url = "${runbooks}/${__value.raw:percentencode}";
            return Some(json!({ "targetBlank": true, "title": "Runbook", "url": url }));
        }
        _ => return None,
    };
    let choice = if variable.is_empty() {
        String::new()
    } else {
        format!("&var-{variable}=${{__value.raw:percentencode}}")
    };
    let url = format!("/d/{dashboard}?${{__url_time_range}}&${{datasource:queryparam}}{choice}");
    Some(json!({ "targetBlank": false, "title": title, "url": url }))
}

/// Colours of words that say how bad something is.
fn colours(column: &str) -> Option<Value> {
    let words: &[(&str, &str)] = match column {
        "severity" => &[("page", "red"), ("ticket", "orange"), ("info", "blue")],
        "state" | "condition" => &[
            ("fresh", "green"),
            ("running", "green"),
            ("complete", "green"),
            ("ok", "green"),
            ("ready", "green"),
            ("stale", "red"),
            ("halted", "red"),
            ("open", "red"),
            ("error", "red"),
            ("firing", "red"),
            ("not ready", "red"),
            ("silent", "red"),
            ("pending", "orange"),
            ("void", "orange"),
            ("cordoned", "blue"),
            ("snoozed", "blue"),
        ],
        "balanced" => &[("true", "green"), ("false", "red")],
        _ => return None,
    };
    let options = words.iter().zip(0_u32..).map(|((word, colour), index)| {
        (
            (*word).to_owned(),
            json!({ "color": colour, "index": index, "text": word }),
        )
    });
    Some(json!([{ "options": options.collect::<Map<_, _>>(), "type": "value" }]))
}
