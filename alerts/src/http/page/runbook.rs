//! Run books, read from their folder each time: what is mended is seen at once.

use std::io::ErrorKind;

use axum::{
    Extension,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};

use super::{Page, answer, markdown};
use crate::http::{Api, Caller, Failure, Role};

/// One run book.
pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Response {
    answer(page(&api, &caller, &name).await)
}

async fn page(api: &Api, caller: &Caller, name: &str) -> Result<Page, Failure> {
    caller.must_be(Role::Viewer)?;
    // A name of the folder and nothing else: no dots, no slashes.
    let is_name = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '_';
    let missing = || {
        Failure::not_found(format!(
            "there is no run book {name} in {}",
            api.runbooks.display()
        ))
    };
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(missing());
    }
    let file = api.runbooks.join(format!("{name}.md"));
    let text = tokio::fs::read_to_string(&file)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(),
            _ => {
                tracing::error!(file = %file.display(), %error, "a run book cannot be read");
                Failure::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("{} cannot be read: {error}", file.display()),
                )
            }
        })?;
    let (title, body) = markdown::html(&text);
    Ok(Page {
        title: title.unwrap_or_else(|| name.to_owned()),
        body,
    })
}
