//! Who may call the console, by the hash of their token. Tokens are taken up again when their files change.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use fleetledger_alerts::http::AlertsCaller;
use openssl::{memcmp, sha::sha256};

use crate::config::{ConfigFault, FileWatch, TokenConfig};

/// How long a token is still taken after another one took its place: who read it a moment ago is on the way.
const OVERLAP: Duration = Duration::from_secs(10);

/// The tokens of the configuration.
pub(super) struct ConsoleTokens {
    configured: BTreeMap<String, TokenConfig>,
    current: Mutex<CurrentTokens>,
}

type HashedToken = ([u8; 32], AlertsCaller);

struct CurrentTokens {
    tokens: Vec<HashedToken>,
    /// Those before the newest change, and when it was taken up.
    former: Option<(Vec<HashedToken>, Instant)>,
    watch: FileWatch,
}

impl ConsoleTokens {
    /// Reads them.
    ///
    /// # Errors
    /// One that cannot be read.
    pub(super) fn new(configured: &BTreeMap<String, TokenConfig>) -> Result<Self, ConfigFault> {
        let files = configured.values().filter_map(|token| token.token.file());
        // Looked at before they are read: a change between the two is noticed.
        let watch = FileWatch::new(files.map(Path::to_owned).collect::<Vec<PathBuf>>());
        Ok(Self {
            current: Mutex::new(CurrentTokens {
                tokens: read(configured)?,
                former: None,
                watch,
            }),
            configured: configured.clone(),
        })
    }

    /// True if there are none: then only this machine can call, and everybody on it may.
    pub(super) fn is_empty(&self) -> bool {
        self.configured.is_empty()
    }

    /// Whose token it is. One that is not known may have been written a moment ago: files are looked at again first.
    pub(super) fn caller(&self, token: &[u8]) -> Option<AlertsCaller> {
        let hash = sha256(token);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.watch.has_changed() {
            self.take_up(&mut current);
        }
        if let Some(caller) = current.find(&hash) {
            return Some(caller);
        }
        if current.watch.has_changed_now() {
            self.take_up(&mut current);
        }
        current.find(&hash)
    }

    /// A file that cannot be read, or is empty for a moment, leaves all tokens as they are.
    fn take_up(&self, current: &mut CurrentTokens) {
        match read(&self.configured) {
            Ok(tokens) => {
                let former = std::mem::replace(&mut current.tokens, tokens);
                current.former = Some((former, Instant::now()));
                current.watch.taken_up();
                tracing::info!("tokens of the console have changed; using the new ones");
            }
            Err(fault) => tracing::error!(
                key = fault.key,
                why = fault.why,
                "tokens have changed but cannot be read; continuing with the previous ones"
            ),
        }
    }
}

impl CurrentTokens {
    fn find(&self, hash: &[u8; 32]) -> Option<AlertsCaller> {
        let former = self.former.iter().filter(|(_, since)| since.elapsed() < OVERLAP);
        let known = self.tokens.iter().chain(former.flat_map(|(tokens, _)| tokens));
        let mut found = known.filter(|(known, _)| memcmp::eq(known, hash));
        found.next().map(|(_, caller)| caller.clone())
    }
}

fn read(configured: &BTreeMap<String, TokenConfig>) -> Result<Vec<HashedToken>, ConfigFault> {
    let read = |(name, token): (&String, &TokenConfig)| {
        let secret = token.token.read(&format!("console.tokens.{name}.token"))?;
        let caller = AlertsCaller {
            name: name.clone(),
            role: token.role,
        };
        Ok((sha256(secret.expose().as_bytes()), caller))
    };
    configured.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use fleetledger_alerts::http::CallerRole;

    use super::*;
    use crate::config::SecretRef;

    #[test]
    fn a_token_that_is_rotated_is_taken_at_once_and_the_former_one_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "one\n").unwrap();
        let token = TokenConfig {
            role: CallerRole::Viewer,
            token: SecretRef::new(format!("file:{}", file.display())),
        };
        let tokens = ConsoleTokens::new(&[("ada".to_owned(), token)].into()).unwrap();
        assert_eq!(tokens.caller(b"one").unwrap().name, "ada");
        assert_eq!(tokens.caller(b"second"), None);

        std::fs::write(&file, "").unwrap();
        assert!(tokens.caller(b"").is_none() && tokens.caller(b"one").is_some());
        std::fs::write(&file, "second").unwrap();
        assert!(tokens.caller(b"second").is_some() && tokens.caller(b"one").is_some());

        let long_ago = Instant::now().checked_sub(OVERLAP).unwrap();
        tokens.current.lock().unwrap().former.as_mut().unwrap().1 = long_ago;
        assert!(tokens.caller(b"second").is_some() && tokens.caller(b"one").is_none());
    }
}
