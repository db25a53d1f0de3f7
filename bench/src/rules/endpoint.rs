//! An endpoint that takes notifications and counts them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A running endpoint.
pub(super) struct CountingEndpoint {
    pub(super) url: String,
    taken: Arc<AtomicU64>,
    _server: JoinSet<()>,
}

impl CountingEndpoint {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen")?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        let taken = Arc::new(AtomicU64::new(0));
        let mut server = JoinSet::new();
        let count = Arc::clone(&taken);
        server.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                // A client that hangs up ends its connection and nothing else.
                open.spawn(async move { drop(serve(stream, &count).await) });
                while open.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            url,
            taken,
            _server: server,
        })
    }

    /// Requests it has answered.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// One connection: requests with a length, answered one after the other.
async fn serve(stream: TcpStream, taken: &AtomicU64) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line.trim_end().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        taken.fetch_add(1, Ordering::Relaxed);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await?;
    }
}
