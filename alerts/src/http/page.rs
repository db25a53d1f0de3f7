//! Pages that links of notifications lead to: plain HTML made here, without scripts, of what the API answers.

mod alert;
mod markdown;
mod rule;
mod runbook;
mod timeline;

use std::collections::BTreeMap;

use axum::{
    Router,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
    routing::get,
};
use fleetledger_paging::LabelSet;
use fleetledger_queries::HttpFailure;
use minijinja::{Environment, Value, context, value::Serde};
use serde::Serialize;

use super::AlertsApi;
use crate::links::encode;

/// Alerts and events that one page shows at most.
const MOST: i64 = 200;

/// Nothing is fetched from anywhere, nothing is run, nothing is sent.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Every page, by its path.
pub(super) fn router(api: AlertsApi) -> Router {
    Router::new()
        .route("/", get(alert::list))
        .route("/alerts", get(alert::list))
        .route("/alerts/{rule}/{fingerprint}", get(alert::show))
        .route("/rules", get(rule::list))
        .route("/rules/{rule}", get(rule::show))
        .route("/timeline", get(timeline::show))
        .route("/runbooks/{name}", get(runbook::show))
        .with_state(api)
}

/// One page.
struct HtmlPage {
    title: String,
    /// HTML, escaped.
    body: String,
}

impl HtmlPage {
    /// Fills a template in; whatever it is filled with is escaped.
    fn new(title: impl Into<String>, template: &str, with: &impl Serialize) -> Result<Self, HttpFailure> {
        Ok(Self {
            title: title.into(),
            body: fill(template, Value::from(Serde(with)))?,
        })
    }
}

/// The page, or one that says why there is none.
fn page_response(page: Result<HtmlPage, HttpFailure>) -> Response {
    let (status, page) = match page {
        Ok(page) => (StatusCode::OK, page),
        Err(failure) => (
            failure.status,
            HtmlPage {
                title: failure.status.canonical_reason().unwrap_or("Error").to_owned(),
                body: format!("<p>{}</p>", markdown::escape(&failure.error)),
            },
        ),
    };
    let whole = context! { title => page.title, body => Value::from_safe_string(page.body) };
    match fill(include_str!("page/layout.html"), whole) {
        Ok(html) => (status, HEADERS, html).into_response(),
        Err(failure) => failure.into_response(),
    }
}

fn fill(template: &str, with: Value) -> Result<String, HttpFailure> {
    // Templates whose name ends with `.html` are escaped.
    let mut environment = Environment::new();
    environment.add_filter("encoded", |text: &str| encode(text));
    let filled = environment.render_named_str("page.html", template, with);
    filled.map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "a page could not be made");
        HttpFailure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the page could not be made; see the console's log",
        )
    })
}

/// Labels as the words of a command.
fn shell_words(labels: &LabelSet) -> String {
    let words: Vec<String> = labels
        .iter()
        .filter(|(name, _)| *name != "alertname")
        .map(|(name, value)| quote_for_shell(&format!("{name}={value}")))
        .collect();
    words.join(" ")
}

/// A word as a shell takes it.
fn quote_for_shell(word: &str) -> String {
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "_-./:=@%+".contains(one);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Labels that an address names.
type AddressLabels = BTreeMap<String, String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_escaped_and_what_is_linked_encoded() {
        let page = HtmlPage::new(
            "x",
            "<b>{{ a }}</b> <a href=\"/{{ a|encoded }}\">",
            &context! { a => "<i>&\"/" },
        );
        assert_eq!(
            page.unwrap().body,
            "<b>&lt;i&gt;&amp;&quot;&#x2f;</b> <a href=\"/%3Ci%3E%26%22%2F\">"
        );
    }

    #[test]
    fn words_of_a_command_survive_a_shell() {
        assert_eq!(quote_for_shell("node=n1"), "node=n1");
        assert_eq!(quote_for_shell("a=it's $HOME"), r"'a=it'\''s $HOME'");
    }
}
