//! Dashboards in the form Grafana 11 and 12 export and import.

use serde_json::{Value, json};

use crate::{
    panel,
    source::Dashboard,
    variable::{DashboardVariable, VariableArity},
};

/// Version of the dashboard model: that of Grafana 11.0, which later ones migrate when they load it.
const SCHEMA_VERSION: u32 = 39;
/// Grafana's id of the PostgreSQL data source plugin.
pub(crate) const PLUGIN: &str = "grafana-postgresql-datasource";
/// What all dashboards are tagged with; the drop-down of links lists what is.
const TAG: &str = "fleetledger";

/// A reference to the data source that the viewer chose.
pub(crate) fn datasource() -> Value {
    json!({ "type": PLUGIN, "uid": "${datasource}" })
}

/// The dashboard's JSON.
///
/// # Errors
/// A panel whose size is wrong, or a row that is too wide.
pub fn dashboard(dashboard: &Dashboard) -> Result<Value, String> {
    let mut variables = vec![datasource_variable()];
    variables.extend(dashboard.variables().map(variable));
    variables.push(runbooks_variable());
    Ok(json!({
        "annotations": { "list": [annotations()] },
        "description": dashboard.question,
        "editable": true,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "links": links(),
        "panels": panels(dashboard)?,
        "refresh": "30s",
        "schemaVersion": SCHEMA_VERSION,
        "tags": [TAG],
        "templating": { "list": variables },
        "time": { "from": dashboard.from, "to": "now" },
        "timepicker": {},
        "timezone": "browser",
        "title": dashboard.title,
        "uid": dashboard.uid,
        "version": 1,
        "weekStart": ""
    }))
}

/// As text, as it is kept.
///
/// # Errors
/// As [`dashboard`].
pub fn text(source: &Dashboard) -> Result<String, String> {
    let value = dashboard(source)?;
    let text = serde_json::to_string_pretty(&value).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

/// Rows and their panels, placed on the grid: panels flow from left to right and wrap where the row is full.
fn panels(dashboard: &Dashboard) -> Result<Vec<Value>, String> {
    const WIDTH: u32 = 24;
    let mut placed = Vec::new();
    let mut id = 0;
    let mut next_id = || {
        id += 1;
        id
    };
    let mut top = 0;
    for row in &dashboard.rows {
        placed.push(json!({
            "collapsed": false,
            "gridPos": { "h": 1, "w": WIDTH, "x": 0, "y": top },
            "id": next_id(),
            "panels": [],
            "title": row.title,
            "type": "row"
        }));
        top += 1;
        let (mut left, mut height) = (0, 0);
        for source in &row.panels {
            let (w, h) = source.extent()?;
            if left + w > WIDTH {
                top += height;
                (left, height) = (0, 0);
            }
            let place = json!({ "h": h, "w": w, "x": left, "y": top });
            placed.push(panel::json(source, next_id(), &place));
            left += w;
            height = height.max(h);
        }
        top += height;
    }
    Ok(placed)
}

/// Grafana's own annotations, which every dashboard has.
fn annotations() -> Value {
    json!({
        "builtIn": 1,
        "datasource": { "type": "grafana", "uid": "-- Grafana --" },
        "enable": true,
        "hide": true,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard"
    })
}

/// The other dashboards, with range and choices kept, and the runbooks.
fn links() -> Value {
    let link = |title: &str, kind: &str, tags: Value, url: &str| {
        json!({
            "asDropdown": kind == "dashboards",
            "icon": if kind == "dashboards" { "external link" } else { "doc" },
            "includeVars": kind == "dashboards",
            "keepTime": kind == "dashboards",
            "tags": tags,
            "targetBlank": kind == "link",
            "title": title,
            "tooltip": "",
            "type": kind,
            "url": url
        })
    };
    json!([
        link("Dashboards", "dashboards", json!([TAG]), ""),
        link("Runbooks", "link", json!([]), "${runbooks}"),
    ])
}

fn datasource_variable() -> Value {
    json!({
        "description": "The ledger's PostgreSQL, as the reader or as a team.",
        "hide": 0,
        "includeAll": false,
        "label": "Ledger",
        "multi": false,
        "name": "datasource",
        "options": [],
        "query": PLUGIN,
        "refresh": 1,
        "regex": "",
        "skipUrlSync": false,
        "type": "datasource"
    })
}

/// Where runbooks are read; an administrator changes it in one place.
fn runbooks_variable() -> Value {
    let place = "https://runbooks.example.com";
    json!({
        "current": { "selected": false, "text": place, "value": place },
        "description": "Where docs/runbooks/ is served.",
        "hide": 2,
        "label": "Runbooks",
        "name": "runbooks",
        "options": [{ "selected": true, "text": place, "value": place }],
        "query": place,
        "skipUrlSync": false,
        "type": "textbox"
    })
}

fn variable(variable: &DashboardVariable) -> Value {
    let is_many = matches!(variable.choice, VariableArity::Many { .. });
    let mut value = json!({
        "datasource": datasource(),
        "description": variable.description,
        "hide": 0,
        "includeAll": is_many,
        "label": variable.label,
        "multi": is_many,
        "name": variable.name,
        "options": [],
        "query": variable.sql,
        // At load and whenever the range changes: clusters come and go.
        "refresh": 2,
        "regex": "",
        "skipUrlSync": false,
        "sort": 1,
        "type": "query"
    });
    if let (VariableArity::Many { all }, Some(fields)) = (variable.choice, value.as_object_mut()) {
        fields.insert("allValue".to_owned(), json!(all));
        let current = json!({ "selected": true, "text": ["All"], "value": ["$__all"] });
        fields.insert("current".to_owned(), current);
    }
    value
}
