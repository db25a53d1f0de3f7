//! The console, asked over HTTP by the commands of people.

use anyhow::{Context as _, bail};
use fleetledger_queries::HttpErrorBody;
use reqwest::{Certificate, Method};
use serde::{Serialize, de::DeserializeOwned};

use super::hop::{HopError, chain};
use crate::{
    cli::{OutputFormat, ServerArgs},
    config::{ConsoleConfig, SecretRef},
    output::{OutputTable, print_document, print_rows},
};

/// A way to the console's API.
pub(crate) struct ConsoleClient {
    http: reqwest::Client,
    server: String,
    token: Option<String>,
    format: OutputFormat,
}

impl ConsoleClient {
    /// The console that is named, or else the one that this configuration is of.
    ///
    /// # Errors
    /// A token or a file of authorities that cannot be read.
    pub(crate) fn new(args: &ServerArgs, configured: &ConsoleConfig) -> anyhow::Result<Self> {
        let mut http = reqwest::Client::builder().timeout(std::time::Duration::from_secs(60));
        if let Some(ca) = &args.ca {
            let pem = std::fs::read(ca).with_context(|| format!("read {}", ca.display()))?;
            http = http.tls_certs_only(
                Certificate::from_pem_bundle(&pem).context("read the CA certificates of --ca")?,
            );
        }
        let read = |reference: &String| {
            let secret = SecretRef::new(reference.as_str()).read("--token");
            let secret = secret.map_err(|fault| anyhow::anyhow!("{} {}", fault.key, fault.why))?;
            Ok::<String, anyhow::Error>(secret.expose().to_owned())
        };
        Ok(Self {
            http: http.build().context("set up the way to the console")?,
            server: match &args.server {
                Some(server) => server.trim_end_matches('/').to_owned(),
                None => configured.url(),
            },
            token: args.token.as_ref().map(read).transpose()?,
            format: args.output.format(),
        })
    }

    /// A GET with these parameters.
    ///
    /// # Errors
    /// The console is away, or refuses.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        let mut url = reqwest::Url::parse(&format!("{}{path}", self.server)).context("read --server")?;
        url.query_pairs_mut().extend_pairs(query);
        self.send(self.http.get(url)).await
    }

    /// Any other request.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> anyhow::Result<T> {
        let mut request = self.http.request(method, format!("{}{path}", self.server));
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request).await
    }

    async fn send<T: DeserializeOwned>(&self, mut request: reqwest::RequestBuilder) -> anyhow::Result<T> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let hop = format!("console {}", self.server);
        let answer = request.send().await.map_err(|error| {
            let fix =
                "start it (fleetledger console), or give its address with --server or its configuration with \
                 --config";
            HopError::away(&hop, chain(&error), fix)
        })?;
        let status = answer.status();
        let text = answer.text().await.context("read the console's response")?;
        if status.is_success() {
            return serde_json::from_str(&text)
                .context("read the console's response; it may be of another version");
        }
        let error = serde_json::from_str::<HttpErrorBody>(&text).map_or(text, |problem| problem.error);
        match status.as_u16() {
            401 => Err(HopError::setup(
                hop,
                error,
                "give a reference to the token with --token file:/path or --token env:NAME",
            )
            .into()),
            _ => bail!("{error}"),
        }
    }

    /// The format that answers are written in.
    pub(crate) fn format(&self) -> OutputFormat {
        self.format
    }

    /// Prints one thing in the format that was asked for, for people as `text`.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn print_response<T: Serialize>(
        &self,
        answer: &T,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        print_document(self.format, answer, text)
    }

    /// Prints rows in the format that was asked for; `empty` is what people read where there are none, `after` what they
    /// read below the table.
    ///
    /// # Errors
    /// They cannot be written.
    pub(crate) fn print_rows(&self, rows: &OutputTable, empty: &str, after: &str) -> anyhow::Result<()> {
        print_rows(self.format, rows, empty, after)
    }
}
