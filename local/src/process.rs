//! Servers that never outlive the process that started them.
//!
//! A server runs under a few lines of `sh` whose standard input is a pipe held by this process. A
//! line written there is the name of a signal for the server; the end of the pipe, which comes also
//! when this process is killed with SIGKILL, is the order to end. (`PR_SET_PDEATHSIG` follows the
//! thread that started the child, and async runtimes end their threads when they please.)

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{FileContext, LocalError, LocalResult};

const SUPERVISOR: &str = r#"
exec 3<&0 </dev/null
log=$1 last=$2; shift 2
"$@" 3<&- >>"$log" 2>&1 &
pid=$!
echo "$pid"
exec >/dev/null
( while read -r signal <&3; do kill -s "$signal" "$pid"; done
  kill -s "$last" "$pid"; sleep 10; kill -s KILL "$pid" ) &
guard=$!
exec 3<&-
wait "$pid"; status=$?
kill "$guard"
exit "$status"
"#;

const POLL: Duration = Duration::from_millis(25);

/// What to start, and how it ends.
#[derive(Debug, Clone)]
pub struct ServerLaunch {
    /// The part's name in errors.
    pub part: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Environment variables beyond this process's own.
    pub environment: Vec<(String, String)>,
    /// Where standard output and error are appended.
    pub log: PathBuf,
    /// The signal sent when this value is dropped or this process dies, such as `KILL`.
    pub last_signal: &'static str,
}

/// A running server.
#[derive(Debug)]
pub struct SupervisedServer {
    part: String,
    supervisor: Child,
    lifeline: Option<ChildStdin>,
    pid: u32,
    log: PathBuf,
    log_start_bytes: u64,
}

impl SupervisedServer {
    /// Starts a server. It is a process group of its own: Ctrl-C reaches this process alone, which
    /// then stops its parts in order.
    pub fn start(launch: &ServerLaunch) -> LocalResult<Self> {
        let spawn_error = |source| LocalError::Spawn {
            command: launch.command.join(" "),
            source,
        };
        // Looked at before the server can write.
        let log_start_bytes = fs::metadata(&launch.log).map_or(0, |log| log.len());
        let mut supervisor = std::process::Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(&launch.log)
            .arg(launch.last_signal)
            .args(&launch.command)
            .envs(launch.environment.iter().map(|(key, value)| (key, value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(spawn_error)?;
        let mut line = String::new();
        if let Some(output) = supervisor.stdout.take() {
            BufReader::new(output).read_line(&mut line).map_err(spawn_error)?;
        }
        let pid = line.trim().parse().map_err(|_| {
            LocalError::Setup(format!(
                "the supervisor of {} did not report its process id",
                launch.part
            ))
        })?;
        Ok(Self {
            part: launch.part.clone(),
            lifeline: supervisor.stdin.take(),
            supervisor,
            pid,
            log: launch.log.clone(),
            log_start_bytes,
        })
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its exit status, once it has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.supervisor.try_wait().ok().flatten()
    }

    /// Sends a signal by name, such as `TERM`. A server that has ended already is no error.
    pub fn signal(&mut self, name: &str) {
        if let Some(lifeline) = &mut self.lifeline {
            let _ = writeln!(lifeline, "{name}");
        }
    }

    /// What the server has logged since it was started.
    #[must_use]
    pub fn logged(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = fs::File::open(&self.log)
            && file.seek(SeekFrom::Start(self.log_start_bytes)).is_ok()
        {
            let _ = file.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Polls `check` until it is content. Fails with its last answer and the end of the log when the
    /// server ends or `deadline` passes first.
    pub async fn wait_ready<Check, Answer>(&mut self, deadline: Duration, mut check: Check) -> LocalResult<()>
    where
        Check: FnMut(&Self) -> Answer,
        Answer: Future<Output = LocalResult<(), String>>,
    {
        let started = Instant::now();
        loop {
            let Err(reason) = check(self).await else {
                return Ok(());
            };
            if let Some(status) = self.exited() {
                return Err(LocalError::Stopped {
                    part: self.part.clone(),
                    status: status.to_string(),
                    log: self.log.clone(),
                    tail: tail(&self.logged()),
                });
            }
            if started.elapsed() > deadline {
                return Err(LocalError::NotReady {
                    part: self.part.clone(),
                    seconds: deadline.as_secs(),
                    reason,
                    log: self.log.clone(),
                    tail: tail(&self.logged()),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The server has logged `text` since it was started; a check for [`Self::wait_ready`].
    pub fn has_logged(&self, text: &str) -> LocalResult<(), String> {
        if self.logged().contains(text) {
            return Ok(());
        }
        Err(format!("its log does not say \"{text}\""))
    }

    /// Sends `signal` and waits until the server has ended.
    pub async fn stop(&mut self, signal: &str, deadline: Duration) -> LocalResult<()> {
        self.signal(signal);
        let started = Instant::now();
        while self.exited().is_none() {
            if started.elapsed() > deadline {
                return Err(LocalError::NotStopped {
                    part: self.part.clone(),
                    pid: self.pid,
                    seconds: deadline.as_secs(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

impl Drop for SupervisedServer {
    fn drop(&mut self) {
        self.lifeline = None;
        let _ = self.supervisor.wait();
    }
}

/// Runs a program to its end and returns its standard output.
pub async fn run(command: &mut tokio::process::Command) -> LocalResult<String> {
    let line = format!("{:?}", command.as_std()).replace('"', "");
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| LocalError::Spawn {
            command: line.clone(),
            source,
        })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(LocalError::Command {
        command: line,
        status: output.status.to_string(),
        output: tail(&format!("{text}{}", String::from_utf8_lossy(&output.stderr))),
    })
}

/// Whether a program of this name is on the PATH and runs with `arguments`.
pub(crate) async fn is_runnable(program: &str, arguments: &[&str]) -> bool {
    run(tokio::process::Command::new(program).args(arguments))
        .await
        .is_ok()
}

/// Writes a file whole or not at all.
pub(crate) fn write_file(path: &Path, text: impl AsRef<[u8]>) -> LocalResult<()> {
    let staging = path.with_extension("staging");
    fs::write(&staging, text).while_("write", &staging)?;
    fs::rename(&staging, path).while_("move into place", path)
}

fn tail(text: &str) -> String {
    const LINES: usize = 25;
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(LINES)..)
        .unwrap_or_default()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;

    fn launch(folder: &Path, script: &str) -> ServerLaunch {
        ServerLaunch {
            part: "part".to_owned(),
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            environment: Vec::new(),
            log: folder.join("log"),
            last_signal: "KILL",
        }
    }

    fn is_alive(pid: u32) -> bool {
        Path::new(&format!("/proc/{pid}")).exists()
    }

    #[test]
    fn dropped_server_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let server = SupervisedServer::start(&launch(folder.path(), "exec sleep 100")).unwrap();
        let pid = server.pid();
        assert!(is_alive(pid));
        drop(server);
        assert!(!is_alive(pid));
    }

    #[tokio::test]
    async fn server_dies_with_its_starter_even_if_that_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = SupervisedServer::start(&launch(folder.path(), "exec sleep 100")).unwrap();
        // The kernel closes a killed process's end of the pipe; closing it by hand is the same event.
        server.lifeline = None;
        server.stop("KILL", Duration::from_secs(5)).await.unwrap();
    }

    #[tokio::test]
    async fn server_that_ends_while_starting_shows_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut server =
            SupervisedServer::start(&launch(folder.path(), "echo no such option; exit 3")).unwrap();
        let error = server
            .wait_ready(Duration::from_secs(5), |_| ready(Err("never".to_owned())))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no such option"), "{error}");
    }

    #[tokio::test]
    async fn signal_reaches_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done";
        let mut server = SupervisedServer::start(&launch(folder.path(), script)).unwrap();
        server
            .wait_ready(Duration::from_secs(5), |server| ready(server.has_logged("up")))
            .await
            .unwrap();
        server.stop("TERM", Duration::from_secs(5)).await.unwrap();
        assert!(server.logged().contains("bye"));
    }
}
