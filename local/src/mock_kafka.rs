//! librdkafka's in-process broker: for the demo and quick tests, in memory only.
//!
//! It keeps about 5 MB or 100,000 messages a partition, knows topics only through its own interface,
//! and forgets everything when it is dropped: a restart is a new incarnation of its topics.

use std::sync::mpsc;
use std::thread::JoinHandle;

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;

use crate::error::{LocalError, LocalResult};

type BrokerReply = mpsc::Sender<LocalResult<(), KafkaError>>;

enum BrokerRequest {
    CreateTopic(String, i32, BrokerReply),
    BrokerDown(BrokerReply),
    BrokerUp(BrokerReply),
}

/// A running in-process broker.
#[derive(Debug)]
pub struct MockKafka {
    bootstrap_servers: String,
    requests: Option<mpsc::Sender<BrokerRequest>>,
    thread: Option<JoinHandle<()>>,
}

impl MockKafka {
    /// Starts one broker on a free loopback port. It lives until this value is dropped.
    pub fn start() -> LocalResult<Self> {
        let (started_sender, started) = mpsc::channel();
        let (requests, inbox) = mpsc::channel();
        // The cluster may not cross threads, so one thread owns it for its life.
        let thread = std::thread::Builder::new()
            .name("mock-kafka".to_owned())
            .spawn(move || serve(&started_sender, &inbox))
            .map_err(|source| LocalError::Spawn {
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
    pub fn create_topic(&self, topic: &str, partitions: i32) -> LocalResult<()> {
        self.ask(&format!("create topic {topic}"), |reply| {
            BrokerRequest::CreateTopic(topic.to_owned(), partitions, reply)
        })
    }

    /// The broker closes all connections and refuses new ones, keeping its data.
    pub fn down(&self) -> LocalResult<()> {
        self.ask("go down", BrokerRequest::BrokerDown)
    }

    /// The broker answers again.
    pub fn up(&self) -> LocalResult<()> {
        self.ask("come up", BrokerRequest::BrokerUp)
    }

    fn ask(&self, action: &str, request: impl FnOnce(BrokerReply) -> BrokerRequest) -> LocalResult<()> {
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

fn serve(started: &mpsc::Sender<LocalResult<String, KafkaError>>, inbox: &mpsc::Receiver<BrokerRequest>) {
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
            BrokerRequest::CreateTopic(topic, partitions, reply) => {
                reply.send(cluster.create_topic(&topic, partitions, 1))
            }
            BrokerRequest::BrokerDown(reply) => reply.send(cluster.broker_down(1)),
            BrokerRequest::BrokerUp(reply) => reply.send(cluster.broker_up(1)),
        };
    }
}

fn answer<T>(action: &str, result: &mpsc::Receiver<LocalResult<T, KafkaError>>) -> LocalResult<T> {
    match result.recv() {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(LocalError::Kafka {
            action: action.to_owned(),
            source,
        }),
        Err(_) => Err(LocalError::Setup(format!(
            "the in-process broker has stopped; cannot {action}"
        ))),
    }
}
