//! Rules: where each stands, and one with its SQL and its newest runs.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use serde_json::json;

use super::{Page, answer};
use crate::http::{Api, Caller, Failure, Role, rules};

/// All rules.
pub(super) async fn list(State(api): State<Api>, Extension(caller): Extension<Caller>) -> Response {
    answer(all(&api, &caller).await)
}

async fn all(api: &Api, caller: &Caller) -> Result<Page, Failure> {
    caller.must_be(Role::Viewer)?;
    let with = json!({ "rules": rules::all(api).await? });
    Page::new("Rules", include_str!("rules.html"), &with)
}

/// One rule.
pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(rule): Path<String>,
) -> Response {
    answer(page(&api, &caller, &rule).await)
}

async fn page(api: &Api, caller: &Caller, rule: &str) -> Result<Page, Failure> {
    caller.must_be(Role::Viewer)?;
    let detail = rules::detail(api, rule).await?;
    Page::new(detail.rule.rule.as_str(), include_str!("rule.html"), &detail)
}
