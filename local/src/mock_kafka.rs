//! librdkafka's in-process broker: for the demo and quick tests, in memory only.
//!
//! It keeps about 5 MB or 100,000 messages a partition, knows topics only through its own interface,
//! and forgets everything when it is dropped: a restart is a new incarnation of its topics.

use std::sync::mpsc;
use std::thread::JoinHandle;

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;

use crate::error::{Error, Result};

type Reply = mpsc::Sender<Result<(), KafkaError>>;

enum Request {
    CreateTopic(String, i32, Reply),
    BrokerDown(Reply),
    BrokerUp(Reply),
}

/// A running in-process broker.
#[derive(Debug)]
pub struct MockKafka {
    bootstrap_servers: String,
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl MockKafka {
    /// Starts one broker on a free loopback port. It lives until this value is dropped.
    pub fn start() -> Result<Self> {
        let (started_sender, started) = mpsc::channel();
        let (requests, inbox) = mpsc::channel();
        // The cluster may not cross threads, so one thread owns it for its life.
        let thread = std::thread::Builder::new()
            .name("mock-kafka".to_owned())
            .spawn(move || serve(&started_sender, &inbox))
            .map_err(|source| Error::Spawn {
                command: "thread mock-kafka".to_owned(),
                source,
            })?;
        let bootstrap_servers = answer("start", &started)?;
        Ok(Self {
            bootstrap_servers,
            requests: Some(requests),
            thread: Some(thread),
        })
    }

    /// `host:port` for clients.
    #[must_use]
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// Makes a topic. Without this a topic appears when a client asks for it, with 4 partitions.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<()> {
        self.ask(&format!("create topic {topic}"), |reply| {
            Request::CreateTopic(topic.to_owned(), partitions, reply)
        })
    }

    /// The broker closes all connections and refuses new ones, keeping its data.
    pub fn down(&self) -> Result<()> {
        self.ask("go down", Request::BrokerDown)
    }

    /// The broker answers again.
    pub fn up(&self) -> Result<()> {
        self.ask("come up", Request::BrokerUp)
    }

    fn ask(&self, action: &str, request: impl FnOnce(Reply) -> Request) -> Result<()> {
        let (reply, result) = mpsc::channel();
        if let Some(requests) = &self.requests {
            let _ = requests.send(request(reply));
        }
        answer(action, &result)
    }
}

impl Drop for MockKafka {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(started: &mpsc::Sender<Result<String, KafkaError>>, inbox: &mpsc::Receiver<Request>) {
    let cluster = match MockCluster::new(1) {
        Ok(cluster) => cluster,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(cluster.bootstrap_servers()));
    while let Ok(request) = inbox.recv() {
        let _ = match request {
            Request::CreateTopic(topic, partitions, reply) => {
                reply.send(cluster.create_topic(&topic, partitions, 1))
            }
            Request::BrokerDown(reply) => reply.send(cluster.broker_down(1)),
            Request::BrokerUp(reply) => reply.send(cluster.broker_up(1)),
        };
    }
}

fn answer<T>(action: &str, result: &mpsc::Receiver<Result<T, KafkaError>>) -> Result<T> {
    match result.recv() {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(Error::Kafka {
            action: action.to_owned(),
            source,
        }),
        Err(_) => Err(Error::Setup(format!(
            "the in-process broker has ended; cannot {action}"
        ))),
    }
}
