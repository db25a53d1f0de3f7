//! A real Chromium that looks at pages, driven through chromedriver by WebDriver's protocol.

use std::{path::Path, time::Duration};

use fleetledger_local::{
    LocalError, LocalResult, ports,
    process::{ServerLaunch, SupervisedServer},
};
use serde_json::{Value, json};

const DRIVER: &str = "/usr/bin/chromedriver";
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// A browser as wide as a device; it ends with its driver.
pub(crate) struct BrowserWindow {
    client: reqwest::Client,
    session: String,
    _driver: SupervisedServer,
    _folder: tempfile::TempDir,
}

impl BrowserWindow {
    /// One of this size, in CSS pixels; `scale` device pixels each.
    pub(crate) async fn open(width: u32, height: u32, scale: u32) -> LocalResult<Self> {
        if !Path::new(DRIVER).exists() {
            return Err(LocalError::Unavailable {
                part: "Chromium",
                reason: format!("there is no {DRIVER}"),
                remedy: "sudo apt-get install -y --no-install-recommends chromium chromium-driver".to_owned(),
            });
        }
        let port = ports::free_port()?;
        let folder = tempfile::tempdir().unwrap();
        let mut driver = SupervisedServer::start(&ServerLaunch {
            part: "chromedriver".to_owned(),
            command: vec![DRIVER.to_owned(), format!("--port={port}")],
            environment: vec![("HOME".to_owned(), folder.path().display().to_string())],
            log: folder.path().join("log"),
            last_signal: "KILL",
        })?;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let base = format!("http://127.0.0.1:{port}");
        driver
            .wait_ready(STARTS_WITHIN, |_| async {
                let answer = client.get(format!("{base}/status")).send().await;
                answer.map(drop).map_err(|error| error.to_string())
            })
            .await?;
        // The width of a window has a lower bound; that of a device has none.
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"],
            "mobileEmulation": {"deviceMetrics": {"width": width, "height": height, "pixelRatio": scale, "mobile": width < 600}},
        });
        let wanted = json!({"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}});
        let opened = call(client.post(format!("{base}/session")).json(&wanted)).await;
        let id = opened["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("{opened:#}"));
        Ok(Self {
            session: format!("{base}/session/{id}"),
            client,
            _driver: driver,
            _folder: folder,
        })
    }

    /// Goes to a page, and returns when it is loaded.
    pub(crate) async fn goes_to(&self, url: &str) {
        self.post("url", json!({"url": url})).await;
    }

    /// What an expression of JavaScript is on the page.
    pub(crate) async fn evaluates(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        self.post("execute/sync", json!({"script": script, "args": []}))
            .await
    }

    /// What it shows, as a PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        let picture = call(self.client.get(format!("{}/screenshot", self.session))).await;
        openssl::base64::decode_block(picture.as_str().unwrap()).unwrap()
    }

    /// What it logged of faults: scripts and styles that were refused, requests that failed.
    pub(crate) async fn faults(&self) -> Vec<String> {
        let logged = self.post("se/log", json!({"type": "browser"})).await;
        let lines = logged.as_array().cloned().unwrap_or_default();
        lines
            .iter()
            .filter(|line| line["level"] == "SEVERE")
            .map(|line| line["message"].to_string())
            .collect()
    }

    async fn post(&self, what: &str, body: Value) -> Value {
        call(self.client.post(format!("{}/{what}", self.session)).json(&body)).await
    }
}

async fn call(request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status}: {text}");
    let mut answer: Value = serde_json::from_str(&text).unwrap();
    answer["value"].take()
}
