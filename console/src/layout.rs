//! The frame and the look of every page.

use axum::{
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
};
use fleetledger_queries::HttpFailure;
use fleetledger_schema::instant::Instant;
use minijinja::{Environment, Value, context, value::Serde};
use serde::Serialize;

use crate::{filter::add_filters, markdown};

/// Nothing is fetched from anywhere, nothing is run, nothing is sent.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// One page.
pub(crate) struct HtmlPage {
    pub(crate) title: String,
    /// HTML, escaped.
    pub(crate) body: String,
    /// After how many seconds a browser asks again; `None` = never by itself.
    pub(crate) reload_seconds: Option<u32>,
}

impl HtmlPage {
    /// Fills a template in; whatever it is filled with is escaped.
    pub(crate) fn new(
        title: impl Into<String>,
        template: &str,
        with: &impl Serialize,
    ) -> Result<Self, HttpFailure> {
        Ok(Self {
            title: title.into(),
            body: fill(template, Value::from(Serde(with)))?,
            reload_seconds: None,
        })
    }
}

/// The page, or one that says why there is none.
pub(crate) fn page_response(page: Result<HtmlPage, HttpFailure>) -> Response {
    let (status, page) = match page {
        Ok(page) => (StatusCode::OK, page),
        Err(failure) => (
            failure.status,
            HtmlPage {
                title: failure.status.canonical_reason().unwrap_or("Error").to_owned(),
                body: format!("<p>{}</p>", markdown::escape(&failure.error)),
                reload_seconds: None,
            },
        ),
    };
    let whole = context! {
        title => page.title,
        body => Value::from_safe_string(page.body),
        reload_seconds => page.reload_seconds,
        style => Value::from_safe_string(include_str!("style.css").to_owned()),
    };
    match fill(include_str!("layout.html"), whole) {
        Ok(html) => (status, HEADERS, html).into_response(),
        Err(failure) => failure.into_response(),
    }
}

fn fill(template: &str, with: Value) -> Result<String, HttpFailure> {
    // Templates whose name ends with `.html` are escaped.
    let mut environment = Environment::new();
    add_filters(&mut environment, Instant::now());
    let filled = environment.render_named_str("page.html", template, with);
    filled.map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "a page could not be rendered");
        HttpFailure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the page could not be rendered; see the console's log",
        )
    })
}

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
}
