//! Pages without SQL that the evaluator cannot log in: what is decided by queries and waits in an outbox says nothing then.
//!
//! Both logins count: the evaluator's own, whose failures health knows, and that of the role that runs rules, which is
//! tried anew every fifteen seconds. At the start both are tried until they are let in ([`await_logins`]), and paged for like
//! later. What was paged stands in health, beyond the process nowhere: an evaluator that begins to run resolves what one
//! before it may have paged ([`FormerPages`]).

mod failure;
mod former;

use std::{sync::Arc, time::Duration};

use fleetledger_queries::ReaderPool;
use fleetledger_schema::instant::Instant;
use tokio_util::sync::CancellationToken;

use failure::LoginFailure;
pub(crate) use former::FormerPages;

use crate::{health::EvaluatorHealth, settings::EvaluatorSettings, store::timestamp};

/// How often the login of rules is tried.
const TICK: Duration = Duration::from_secs(15);
/// How often logins are tried that are waited for.
const START_TICK: Duration = Duration::from_secs(5);
/// A fail-over takes less; a page leaves well within three minutes.
const PAGE_AFTER: Duration = Duration::from_secs(90);
/// Label `login` of the evaluator's own login, and of the one that runs rules.
const LOGINS: [&str; 2] = ["evaluator", "rules"];

/// Tries both logins until both are let in, and pages for them like later. False if `stop` came first.
pub async fn await_logins(
    own: &ReaderPool,
    rules: &ReaderPool,
    settings: &EvaluatorSettings,
    health: &EvaluatorHealth,
    stop: &CancellationToken,
) -> bool {
    let pager = LoginPager::new(settings, health, rules.target());
    loop {
        let tried = async {
            let (own, rules) = tokio::join!(own.log_in(), rules.log_in());
            health.own_login_tried(own.err().map(|error| error.to_string()).as_deref());
            health.rules_login_tried(rules.err().map(|error| error.to_string()));
            pager.page().await;
        };
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tried => {}
        }
        if health.failing_logins().is_empty() {
            return true;
        }
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(START_TICK) => {}
        }
    }
}

/// Tries the login of rules and pages for both until `stop`; resolves what an evaluator before this one may have paged.
pub(crate) async fn run(
    rules: ReaderPool,
    settings: Arc<EvaluatorSettings>,
    health: EvaluatorHealth,
    mut former: FormerPages,
    stop: CancellationToken,
) {
    let pager = LoginPager::new(&settings, &health, rules.target());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
        let refused = tokio::select! {
            () = stop.cancelled() => return,
            tried = rules.log_in() => tried.err().map(|error| error.to_string()),
        };
        health.rules_login_tried(refused);
        pager.page().await;
        pager.resolve_former(&mut former).await;
    }
}

/// Who pages for logins.
struct LoginPager<'e> {
    settings: &'e EvaluatorSettings,
    health: &'e EvaluatorHealth,
    target: String,
}

impl<'e> LoginPager<'e> {
    fn new(settings: &'e EvaluatorSettings, health: &'e EvaluatorHealth, target: String) -> Self {
        Self {
            settings,
            health,
            target,
        }
    }

    /// Pages for logins that have failed for long enough, and resolves those that work again.
    async fn page(&self) {
        let failing = self.health.failing_logins();
        let paged = self.health.paged_logins();
        let now = timestamp(Instant::now());
        for (login, since, why) in &failing {
            if *since < PAGE_AFTER || paged.contains_key(login) {
                continue;
            }
            tracing::error!(
                login,
                error = why,
                "the evaluator cannot log in; its receivers are paged"
            );
            let began = LoginFailure::began(now, *since);
            let failure = LoginFailure::new(login, &self.target, began);
            if failure.page(self.settings, Some(why), now, |_| true).await {
                self.health.login_paged(login, Some(began));
            }
        }
        for (login, began) in paged {
            if failing.iter().any(|(other, ..)| *other == login) {
                continue;
            }
            tracing::info!(login, "the evaluator can log in again");
            let failure = LoginFailure::new(login, &self.target, began);
            if failure.page(self.settings, None, now, |_| true).await {
                self.health.login_paged(login, None);
            }
        }
    }

    /// Resolves what an evaluator before this one may have paged, once each login works.
    async fn resolve_former(&self, former: &mut FormerPages) {
        let failing = self.health.failing_logins();
        let now = timestamp(Instant::now());
        for login in former.open() {
            // What this evaluator has paged it resolves itself, under the same key.
            if self.health.has_paged(login) {
                former.settle(login);
                continue;
            }
            if failing.iter().any(|(other, ..)| *other == login) {
                continue;
            }
            let is_likely = former.is_likely(login);
            let is_notified =
                |receiver: &str| is_likely || self.settings.receivers.ignores_unknown_resolve(receiver);
            let failure = LoginFailure::new(login, &self.target, now);
            if failure.page(self.settings, None, now, is_notified).await {
                // At every start, most often of nothing: only where there probably was a page it is news.
                if is_likely {
                    tracing::info!(
                        login,
                        "resolved the page of a former evaluator about a login that works now"
                    );
                }
                former.settle(login);
            }
        }
    }
}
