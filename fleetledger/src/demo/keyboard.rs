//! The key that shows the questions again.

use std::io::{BufRead as _, IsTerminal as _};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Says when Enter was pressed, where there is a keyboard.
pub(super) struct EnterKey(Option<UnboundedReceiver<()>>);

impl EnterKey {
    /// Reads standard input on a thread of its own, which ends with the process: nothing else can interrupt such a read.
    pub(super) fn listen(is_watched: bool) -> Self {
        let input = std::io::stdin();
        if !is_watched || !input.is_terminal() {
            return Self(None);
        }
        let (sender, pressed) = unbounded_channel();
        std::thread::spawn(move || {
            for line in input.lock().lines() {
                if line.is_err() || sender.send(()).is_err() {
                    return;
                }
            }
        });
        Self(Some(pressed))
    }

    /// Resolves when it is pressed; never without a keyboard.
    pub(super) async fn pressed(&mut self) -> Option<()> {
        match &mut self.0 {
            Some(pressed) => pressed.recv().await,
            None => std::future::pending().await,
        }
    }
}
