//! The binary as a process that runs on: started, asked over HTTP, told to stop.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::BinaryFixture;

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A process of the binary; it does not outlive its test.
pub(crate) struct RoleProcess(Option<Child>);

impl RoleProcess {
    pub(crate) fn start(setup: &BinaryFixture, arguments: &[&str]) -> Self {
        let mut command = setup.command();
        command.args(arguments).args(["--log-format", "json"]);
        Self(Some(command.stderr(Stdio::piped()).spawn().unwrap()))
    }

    /// SIGTERM; exit code and log.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        let child = self.0.take().unwrap();
        Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()
            .unwrap();
        let output = child.wait_with_output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }
}

impl Drop for RoleProcess {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The whole answer to a GET; empty if nobody listens.
pub(crate) fn get(port: u16, path: &str) -> String {
    get_with(port, path, "")
}

/// The same with more headers, each with its line's end.
pub(crate) fn get_with(port: u16, path: &str, headers: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        let _ = write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n"
        );
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

/// Asks until the answer holds `words`.
pub(crate) fn wait_for(port: u16, path: &str, words: &str) -> String {
    wait_until(port, path, words, |answer| answer.contains(words))
}

/// Asks until the answer is as it should be; `what` names that.
pub(crate) fn wait_until(port: u16, path: &str, what: &str, is_so: impl Fn(&str) -> bool) -> String {
    let begun = Instant::now();
    loop {
        let answer = get(port, path);
        if is_so(&answer) {
            return answer;
        }
        assert!(
            begun.elapsed() < DEADLINE,
            "{path} was never so: {what}: {answer}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
