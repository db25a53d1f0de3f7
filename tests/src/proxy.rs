//! A TCP proxy that a test can cut: the current state between an emitter and its API server.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// A proxy on loopback. Dropping it ends every connection.
#[derive(Debug)]
pub struct TcpProxy {
    /// Where it listens.
    pub address: SocketAddr,
    cuts: watch::Sender<u64>,
    _accepting: JoinSet<()>,
}

impl TcpProxy {
    /// A proxy to `127.0.0.1:port`.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, cut) = watch::channel(0);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((inbound, _)) = listener.accept().await {
                connections.spawn(forward(inbound, port, cut.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            cuts,
            _accepting: accepting,
        }
    }

    /// Breaks every connection off; new ones are accepted.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn forward(mut inbound: TcpStream, port: u16, mut cut: watch::Receiver<u64>) {
    let Ok(mut outbound) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    cut.mark_unchanged();
    tokio::select! {
        _ = cut.changed() => {}
        _ = copy_bidirectional(&mut inbound, &mut outbound) => {}
    }
}
