//! What an evaluator that has ended may have paged, and could not resolve.
//!
//! Nobody could write down that a login failed: without it there is no SQL. What the ledger does show is whether rules were
//! evaluated until lately. Receivers that keep incidents by their key are told in any case that a login works, which is
//! nothing to them where no incident is open; those that show people every message are told only where the ledger has a
//! hole that a page may have left.

use std::time::Duration;

use deadpool_postgres::Pool;

use super::{LOGINS, PAGE_AFTER};
use crate::{
    errors::{AlertsError, while_},
    rules::RuleSet,
};

/// Rules that run less often say too little: while all is well, those that do not are never late by the time after which a
/// failure is paged.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);

/// The logins whose pages are to be resolved, and whether there is likely one.
#[derive(Debug, Default)]
pub(crate) struct FormerPages(Vec<FormerPage>);

#[derive(Debug, Clone, Copy)]
struct FormerPage {
    login: &'static str,
    is_likely: bool,
}

impl FormerPages {
    /// What the ledger says, before this evaluator writes into it. Where it does not answer nothing counts as likely.
    pub(crate) async fn find(pool: &Pool, rules: &RuleSet) -> Self {
        let likely = Self::ask(pool, rules).await.unwrap_or_else(|error| {
            tracing::warn!(
                error = error.chain(),
                "it is unknown whether a former evaluator has paged about a login"
            );
            [false; LOGINS.len()]
        });
        let pages = LOGINS.into_iter().zip(likely);
        Self(
            pages
                .map(|(login, is_likely)| FormerPage { login, is_likely })
                .collect(),
        )
    }

    async fn ask(pool: &Pool, rules: &RuleSet) -> Result<[bool; LOGINS.len()], AlertsError> {
        let step = "look for recent evaluations";
        let client = pool
            .get()
            .await
            .map_err(|source| AlertsError::Pool { step, source })?;
        let builtin = rules.rules().iter().filter(|rule| rule.is_builtin);
        let builtin: Vec<&str> = builtin.map(|rule| rule.query.id.as_str()).collect();
        let (longest, grace) = (LONGEST_INTERVAL.as_secs_f64(), PAGE_AFTER.as_secs_f64());
        let row = client
            .query_one(READ_HOLES, &[&builtin, &longest, &grace])
            .await
            .map_err(while_(step))?;
        Ok([row.get(0), row.get(1)])
    }

    /// Logins whose pages are still to be resolved.
    pub(super) fn open(&self) -> Vec<&'static str> {
        self.0.iter().map(|page| page.login).collect()
    }

    /// Whether the ledger has a hole that a page of this login may have left.
    pub(super) fn is_likely(&self, login: &str) -> bool {
        self.0.iter().any(|page| page.login == login && page.is_likely)
    }

    /// There is nothing to do for this login any more.
    pub(super) fn settle(&mut self, login: &str) {
        self.0.retain(|page| page.login != login);
    }
}

/// Whether no rule that runs often gave an answer for as long as a page takes: none at all, which is what a failure of the
/// evaluator's own login leaves, and none of those that are not built in, which the login of rules runs.
const READ_HOLES: &str = "
    with often as (
        select rule <> all ($1::text[]) as by_rules_login,
            last_ok_slot > clock_timestamp() - make_interval(secs => $3) as is_on_time
        from ledger.rule
        where removed_at is null and last_ok_slot is not null and interval_seconds <= $2
    )
    select coalesce(not bool_or(is_on_time), false),
        coalesce(not bool_or(is_on_time) filter (where by_rules_login), false)
    from often";
