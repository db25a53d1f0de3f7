//! Connections of an HTTP server: at most so many, and none that can hold up the others.
//!
//! A client may be silent, slow to shake hands, slow to ask, slow to read. Each of these ends after a while. Beyond
//! [`MOST_CONNECTIONS`] a newcomer takes the place of whoever has kept the server waiting for the longest, so that
//! health is answered however many clients are silent; connections whose request is being worked on keep theirs.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{Router, serve::Listener};
use hyper::{Request, body::Incoming, server::conn::http1, service::Service as _};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    slow_client::{BodyWithin, WriteWithin},
    tls::TlsAcceptor,
};

/// Connections at a time.
const MOST_CONNECTIONS: usize = 256;
/// How long a client may take to send the head of a request, and how long a connection without one is kept.
const HEAD: Duration = Duration::from_secs(30);
/// How long a client may take to send the body of a request.
const BODY: Duration = Duration::from_secs(15);
/// How long a client may take to read anything of a response.
const WRITE: Duration = Duration::from_secs(30);
/// How long clients that keep the server waiting are waited for at its end.
const FAREWELL: Duration = Duration::from_secs(1);
/// Largest head of a request, in bytes.
const HEAD_BYTES: usize = 64 * 1024;

/// Who asks; each request carries it among its extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerAddress(pub(crate) SocketAddr);

/// Answers until `stop`; requests under way are finished.
pub(super) async fn serve(
    mut tcp: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
) {
    let acceptor = acceptor.map(Arc::new);
    let open = Arc::new(OpenConnections::default());
    let service = TowerToHyperService::new(router);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            (stream, peer) = Listener::accept(&mut tcp) => {
                // Without a place it is hung up on: all others are at work.
                if let Some(place) = open.place() {
                    let (service, acceptor, stop) = (service.clone(), acceptor.clone(), stop.clone());
                    connections.spawn(async move {
                        let evicted = place.evicted.clone();
                        tokio::select! {
                            () = evicted.cancelled() => {}
                            () = answer(stream, peer, acceptor, service, &place, stop) => {}
                        }
                    });
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(tcp);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, ended).await.is_err() {
        open.evict_waiting();
        while connections.join_next().await.is_some() {}
    }
}

async fn answer(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: Option<Arc<TlsAcceptor>>,
    service: TowerToHyperService<Router>,
    place: &ConnectionPlace,
    stop: CancellationToken,
) {
    match acceptor {
        None => converse(stream, peer, service, place, stop).await,
        Some(acceptor) => {
            if let Some(stream) = acceptor.shake_hands(stream, peer).await {
                converse(stream, peer, service, place, stop).await;
            }
        }
    }
}

/// Requests and responses of one connection.
async fn converse<S>(
    stream: S,
    peer: SocketAddr,
    service: TowerToHyperService<Router>,
    place: &ConnectionPlace,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let state = &place.state;
    let handle = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddress(peer));
        let response = service.call(request.map(|body| BodyWithin::new(body, BODY)));
        let work = state.begin_work();
        async move {
            let response = response.await;
            drop(work);
            response
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES);
    let stream = TokioIo::new(WriteWithin::new(stream, WRITE));
    let mut connection = std::pin::pin!(builder.serve_connection(stream, handle));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "an HTTP connection ended early");
    }
}

/// The connections that are open.
#[derive(Default)]
struct OpenConnections(Mutex<OpenPlaces>);

#[derive(Default)]
struct OpenPlaces {
    number: u64,
    places: HashMap<u64, (CancellationToken, Arc<ConnectionState>)>,
}

/// One connection's place, given back when it is dropped.
struct ConnectionPlace {
    number: u64,
    evicted: CancellationToken,
    state: Arc<ConnectionState>,
    open: Arc<OpenConnections>,
}

/// Since when the client keeps the server waiting; `None` while its request is worked on.
struct ConnectionState(Mutex<Option<Instant>>);

/// A request that is worked on.
struct RequestWork<'s>(&'s ConnectionState);

impl OpenConnections {
    /// A place for a newcomer, if need be that of the client who has kept the server waiting for the longest; `None`
    /// if all places are at work.
    fn place(self: &Arc<Self>) -> Option<ConnectionPlace> {
        let mut open = lock(&self.0);
        if open.places.len() >= MOST_CONNECTIONS {
            let waiting = open
                .places
                .iter()
                .filter_map(|(number, (_, state))| Some(((*lock(&state.0))?, *number)));
            let (_, longest) = waiting.min()?;
            if let Some((evicted, _)) = open.places.remove(&longest) {
                evicted.cancel();
            }
        }
        open.number += 1;
        let number = open.number;
        let evicted = CancellationToken::new();
        let state = Arc::new(ConnectionState(Mutex::new(Some(Instant::now()))));
        open.places.insert(number, (evicted.clone(), state.clone()));
        Some(ConnectionPlace {
            number,
            evicted,
            state,
            open: self.clone(),
        })
    }

    /// Hangs up on everybody whose request is not worked on.
    fn evict_waiting(&self) {
        for (evicted, state) in lock(&self.0).places.values() {
            if lock(&state.0).is_some() {
                evicted.cancel();
            }
        }
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        lock(&self.open.0).places.remove(&self.number);
    }
}

impl ConnectionState {
    fn begin_work(&self) -> RequestWork<'_> {
        *lock(&self.0) = None;
        RequestWork(self)
    }
}

impl Drop for RequestWork<'_> {
    fn drop(&mut self) {
        *lock(&self.0.0) = Some(Instant::now());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_takes_the_place_of_who_was_silent_for_the_longest() {
        let open = Arc::new(OpenConnections::default());
        let mut places: Vec<ConnectionPlace> = (0..MOST_CONNECTIONS).map(|_| open.place().unwrap()).collect();
        let working = places[0].state.clone();
        let work = working.begin_work();
        let newcomer = open.place().unwrap();
        let evicted: Vec<u64> = places
            .iter()
            .filter(|place| place.evicted.is_cancelled())
            .map(|place| place.number)
            .collect();
        assert_eq!(evicted, [places[1].number]);
        drop(work);
        drop(newcomer);
        places.pop();
        assert!(lock(&open.0).places.len() == MOST_CONNECTIONS - 2);
    }

    #[test]
    fn a_newcomer_is_refused_while_every_place_is_at_work() {
        let open = Arc::new(OpenConnections::default());
        let places: Vec<ConnectionPlace> = (0..MOST_CONNECTIONS).map(|_| open.place().unwrap()).collect();
        let works: Vec<RequestWork<'_>> = places.iter().map(|place| place.state.begin_work()).collect();
        assert!(open.place().is_none());
        drop(works);
        assert!(open.place().is_some());
    }
}
