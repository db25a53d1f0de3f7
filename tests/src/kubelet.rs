//! Kubelets as far as an emitter asks them: a real HTTP server that serves resource metrics of the containers it is told
//! of, and a GPU exporter's, and writes down who asked for what. A real kubelet needs a container runtime.

use std::{
    collections::HashSet,
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use fleetledger_schema::instant::Instant;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A container that runs evenly.
#[derive(Debug, Clone)]
pub struct ServedContainer {
    /// Name of its node.
    pub node: String,
    /// Namespace of its pod.
    pub namespace: String,
    /// Name of its pod.
    pub pod: String,
    /// Its name.
    pub container: String,
    /// Thousandths of a core that it uses.
    pub millicores: i64,
    /// Bytes that it uses.
    pub memory_bytes: i64,
    /// Percent of one card that it uses.
    pub gpu_percent: Option<f64>,
    /// When it began; a restart moves it.
    pub started_at: Instant,
}

/// A request that was made: its path, and its header Authorization.
pub type KubeletRequest = (String, Option<String>);

#[derive(Debug, Default)]
struct KubeletState {
    served: Vec<ServedContainer>,
    hanging: HashSet<String>,
    requests: Vec<KubeletRequest>,
}

/// The kubelets of all nodes on one port: `/{node}/metrics/resource` and `/{node}/gpu`.
pub struct FakeKubelets {
    /// Begin of every URL.
    pub url: String,
    state: Arc<Mutex<KubeletState>>,
    _task: JoinSet<()>,
}

impl FakeKubelets {
    /// Listens on a free port of the loopback.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<Mutex<KubeletState>>::default();
        let mut task = JoinSet::new();
        let shared = state.clone();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, shared.clone()));
            }
        });
        Self {
            url,
            state,
            _task: task,
        }
    }

    /// Serves these containers from now on.
    pub fn serve(&self, served: Vec<ServedContainer>) {
        self.state.lock().unwrap().served = served;
    }

    /// This node takes connections and never answers.
    pub fn hang(&self, node: &str) {
        self.state.lock().unwrap().hanging.insert(node.to_owned());
    }

    /// Everything that was asked so far.
    #[must_use]
    pub fn requests(&self) -> Vec<KubeletRequest> {
        self.state.lock().unwrap().requests.clone()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<KubeletState>>) {
    let mut request = Vec::new();
    let mut chunk = [0_u8; 4096];
    loop {
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut chunk).await {
                Ok(read) if read > 0 => request.extend_from_slice(&chunk[..read]),
                _ => return,
            }
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        request.clear();
        let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
        let authorization = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("authorization")
                .then(|| value.trim().to_owned())
        });
        let answer = {
            let mut state = state.lock().unwrap();
            state.requests.push((path.clone(), authorization));
            answer(&state, &path)
        };
        let Some(body) = answer else {
            std::future::pending::<()>().await;
            return;
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        if stream
            .write_all(format!("{head}{body}").as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

/// The current state at `path`; nothing for a node that hangs.
fn answer(state: &KubeletState, path: &str) -> Option<String> {
    let node = path.split('/').nth(1).unwrap_or_default();
    if state.hanging.contains(node) {
        return None;
    }
    let now = Instant::now();
    let mut body = String::from("# what a kubelet says\n");
    for one in state.served.iter().filter(|one| one.node == node) {
        let labels = format!(
            "{{container=\"{}\",namespace=\"{}\",pod=\"{}\"}}",
            one.container, one.namespace, one.pod
        );
        if path.ends_with("/gpu") {
            if let Some(percent) = one.gpu_percent {
                writeln!(body, "DCGM_FI_DEV_GPU_UTIL{labels} {percent}").unwrap();
            }
            continue;
        }
        let seconds = now.micros_since(one.started_at) as f64 / 1e6;
        let (cpu, ms) = (seconds * one.millicores as f64 / 1e3, now.0 / 1000);
        let began = one.started_at.0 as f64 / 1e6;
        writeln!(body, "container_cpu_usage_seconds_total{labels} {cpu:.6} {ms}").unwrap();
        writeln!(
            body,
            "container_memory_working_set_bytes{labels} {} {ms}",
            one.memory_bytes
        )
        .unwrap();
        writeln!(body, "container_start_time_seconds{labels} {began:.6}").unwrap();
    }
    Some(body)
}
