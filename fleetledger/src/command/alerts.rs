//! `fleetledger alerts`: asks the console.

use anyhow::{Context as _, bail};
use fleetledger_alerts::http::{
    AckRequest, AffectedCount, AlertDetail, AlertRow, DrillRequest, SnoozeRequest, SnoozeRow,
};
use reqwest::Method;
use serde_json::Value;

use crate::{
    cli::{AlertsArgs, AlertsCommand},
    config::LoadedConfig,
    connect::console::ConsoleClient,
    exit::ExitReason,
    output::{self, OutputColumn, OutputRow, OutputTable, instant, table::plain, tally},
};

pub(super) async fn run(loaded: &LoadedConfig, args: &AlertsArgs) -> anyhow::Result<ExitReason> {
    let console = ConsoleClient::new(&args.server, &loaded.config.console)?;
    match &args.command {
        AlertsCommand::List { which, condition } => list(&console, which, condition.as_deref()).await,
        AlertsCommand::Show { which } => show(&console, which).await,
        AlertsCommand::Snooze {
            which,
            length,
            reason,
            from,
        } => {
            let request = SnoozeRequest {
                matchers: matchers(which)?,
                for_seconds: length.as_secs(),
                reason: reason.clone(),
                from: from.clone(),
            };
            let made: SnoozeRow = console
                .request(Method::POST, "/api/v1/snoozes", Some(&request))
                .await?;
            console.print_response(&made, || {
                format!(
                    "snooze {} of {} until {}\n",
                    made.id,
                    made.matchers.join(", "),
                    output::instant(&made.until)
                )
            })?;
            Ok(ExitReason::Done)
        }
        AlertsCommand::Snoozes => snoozes(&console).await,
        AlertsCommand::Unsnooze { number } => {
            let path = format!("/api/v1/snoozes/{number}");
            let ended: SnoozeRow = console.request(Method::DELETE, &path, None::<&()>).await?;
            console.print_response(&ended, || {
                format!("snooze {number} has ended; what still fires is told at the next slot\n")
            })?;
            Ok(ExitReason::Done)
        }
        AlertsCommand::Ack { which, reason } => {
            let request = AckRequest {
                matchers: matchers(which)?,
                reason: reason.clone(),
            };
            let done: AffectedCount = console
                .request(Method::POST, "/api/v1/alerts/ack", Some(&request))
                .await?;
            console.print_response(&done, || {
                format!(
                    "{} acknowledged from the next slot on\n",
                    output::counted(done.count, "alert")
                )
            })?;
            Ok(ExitReason::Done)
        }
        AlertsCommand::Drill { receiver } => {
            let request = DrillRequest {
                receiver: receiver.clone(),
            };
            let done: AffectedCount = console
                .request(Method::POST, "/api/v1/alerts/drill", Some(&request))
                .await?;
            console.print_response(&done, || {
                format!(
                    "{} queued; select * from notification where reason = 'drill' shows what came of {}\n",
                    output::counted(done.count, "drill"),
                    if done.count == 1 { "it" } else { "them" }
                )
            })?;
            Ok(ExitReason::Done)
        }
    }
}

async fn list(
    console: &ConsoleClient,
    which: &[String],
    condition: Option<&str>,
) -> anyhow::Result<ExitReason> {
    let alerts = find(console, which, condition).await?;
    let columns = vec![
        OutputColumn::new("alertname").titled("alert"),
        OutputColumn::words("condition", condition_words),
        OutputColumn::new("condition").data(),
        OutputColumn::new("severity"),
        OutputColumn::words("age", |row| {
            output::age_of(&plain(first(row, &["fired_at", "active_at"])))
        }),
        OutputColumn::words("since", |row| {
            instant(&plain(first(row, &["fired_at", "active_at"])))
        })
        .wide(),
        OutputColumn::new("active_at").data(),
        OutputColumn::new("fired_at").data(),
        OutputColumn::words("labels", labels_in_sight),
        OutputColumn::new("labels").data(),
        OutputColumn::new("value").wide(),
        OutputColumn::new("summary"),
        OutputColumn::new("receivers").wide(),
        OutputColumn::new("notifications").wide(),
        OutputColumn::new("snoozed_until").data(),
        OutputColumn::new("acked_by").data(),
        OutputColumn::new("held_reason").titled("held").wide(),
        OutputColumn::new("inhibited_by").data(),
        OutputColumn::new("shadow").data(),
        OutputColumn::new("rule").wide(),
        OutputColumn::new("fingerprint").wide(),
        OutputColumn::new("annotations").data(),
    ];
    let table = OutputTable::of(columns, &alerts).context("read the alerts' fields")?;
    console.print_rows(&table, "no alerts", &tally("alert", alerts.iter().map(sort)))?;
    Ok(ExitReason::Done)
}

/// What an alert counts as in the summary: what keeps it quiet, or else its condition.
fn sort(alert: &AlertRow) -> &str {
    if alert.snoozed_until.is_some() {
        return "snoozed";
    }
    if alert.acked_by.is_some() {
        return "acknowledged";
    }
    match alert.condition.as_str() {
        "pending" => "warming up",
        other => other,
    }
}

/// The first of these fields that says something.
fn first<'r>(row: &'r OutputRow, names: &[&str]) -> &'r Value {
    let mut values = names.iter().filter_map(|name| row.get(*name));
    values.find(|value| !value.is_null()).unwrap_or(&Value::Null)
}

/// The labels that no column of their own shows.
fn labels_in_sight(row: &OutputRow) -> String {
    let hidden = ["alertname", "severity", "team"];
    let labels = row.get("labels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    let labels = labels.filter(|(name, _)| !hidden.contains(&name.as_str()));
    let words: Vec<String> = labels
        .map(|(name, value)| format!("{name}={}", plain(value)))
        .collect();
    words.join(" ")
}

/// Condition and everything that keeps it quiet.
fn condition_words(row: &OutputRow) -> String {
    serde_json::from_value::<AlertRow>(Value::Object(row.clone()))
        .map_or_else(|_| plain(first(row, &["condition"])), |alert| flags(&alert))
}

/// Condition and everything that keeps it quiet.
fn flags(alert: &AlertRow) -> String {
    let mut words = vec![alert.condition.clone()];
    words.extend(alert.held_reason.is_some().then(|| "held".to_owned()));
    words.extend(alert.snoozed_until.is_some().then(|| "snoozed".to_owned()));
    words.extend(alert.acked_by.as_ref().map(|by| format!("acked by {by}")));
    words.extend(alert.inhibited_by.as_ref().map(|by| format!("inhibited by {by}")));
    words.extend(alert.shadow.then(|| "shadow".to_owned()));
    words.join(", ")
}

async fn show(console: &ConsoleClient, which: &[String]) -> anyhow::Result<ExitReason> {
    let alerts = find(console, which, None).await?;
    let alert = match alerts.as_slice() {
        [one] => one,
        [] => bail!("no alert has these labels; see alerts list"),
        several => bail!(
            "{} alerts have these labels; name more of them, see alerts list",
            several.len()
        ),
    };
    let path = format!("/api/v1/alerts/{}/{}", alert.rule, alert.fingerprint);
    let detail: AlertDetail = console.request(Method::GET, &path, None::<&()>).await?;
    console.print_response(&detail, || {
        let mut text = format!("{}: {}\n", detail.alert.alertname, flags(&detail.alert));
        let facts = [
            ("summary", detail.alert.summary.clone()),
            ("held", detail.alert.held_reason.clone()),
            (
                "snoozed until",
                detail.alert.snoozed_until.as_deref().map(output::instant),
            ),
            ("receivers", Some(detail.alert.receivers.join(", "))),
            ("last error", detail.last_error.clone()),
        ];
        for (name, value) in facts {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                text.push_str(&format!("  {name}: {value}\n"));
            }
        }
        for (name, value) in &detail.alert.labels {
            text.push_str(&format!("  {name} = {value}\n"));
        }
        let rows: Vec<Vec<String>> = detail
            .history
            .iter()
            .map(|event| {
                let text = |value: &Option<String>| value.clone().unwrap_or_default();
                vec![
                    output::instant(&event.at),
                    event.event.clone(),
                    text(&event.reason),
                    text(&event.receiver),
                    text(&event.by),
                ]
            })
            .collect();
        text.push('\n');
        text.push_str(&output::list(&["when", "what", "why", "receiver", "by"], &rows));
        text.push_str(&format!("\n{}\n", detail.query_text.trim()));
        text
    })?;
    Ok(ExitReason::Done)
}

async fn snoozes(console: &ConsoleClient) -> anyhow::Result<ExitReason> {
    let snoozes: Vec<SnoozeRow> = console
        .request(Method::GET, "/api/v1/snoozes", None::<&()>)
        .await?;
    let columns = vec![
        OutputColumn::new("id").titled("number"),
        OutputColumn::new("kind"),
        OutputColumn::new("matchers"),
        OutputColumn::new("from").instant(),
        OutputColumn::new("until").instant(),
        OutputColumn::words("ends", |row| output::age_of_field(row, "until")),
        OutputColumn::new("owner"),
        OutputColumn::new("reason"),
    ];
    let table = OutputTable::of(columns, &snoozes).context("read the snoozes' fields")?;
    console.print_rows(&table, "no snoozes", &table.tally("snooze", "kind"))?;
    Ok(ExitReason::Done)
}

async fn find(
    console: &ConsoleClient,
    which: &[String],
    condition: Option<&str>,
) -> anyhow::Result<Vec<AlertRow>> {
    let mut query = vec![("matchers", matchers(which)?.join(","))];
    query.extend(condition.map(|condition| ("condition", condition.to_owned())));
    console.get("/api/v1/alerts", &query).await
}

/// `NodeNotReporting node=n1` as matchers: the first word without a sign is the alert's name.
fn matchers(which: &[String]) -> anyhow::Result<Vec<String>> {
    let mut matchers = Vec::new();
    for (place, word) in which.iter().enumerate() {
        let is_name = place == 0 && !word.contains(['=', '!', '~']);
        let matcher = if is_name {
            format!("alertname={word}")
        } else {
            word.clone()
        };
        // Refused here, so that the message is about what was typed.
        let matcher: fleetledger_paging::Matcher = matcher.parse()?;
        matchers.push(matcher.to_string());
    }
    Ok(matchers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_word_is_the_alerts_name() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let read = matchers(&words(&["NodeNotReporting", "node=~n[12]"])).unwrap();
        assert_eq!(read, ["alertname=\"NodeNotReporting\"", "node=~\"n[12]\""]);
        assert_eq!(matchers(&words(&["node=n1"])).unwrap(), ["node=\"n1\""]);
        assert!(matchers(&words(&["A", "B"])).is_err());
    }
}
