//! Looks for broken set-ups and says how to fix each. Changes nothing.
//!
//! [`CHECKS`] is the table of everything that is looked at; a check is a function from the [`DoctorObservations`] (what
//! answered, and what it said) to a [`CheckVerdict`].

mod certificate;
mod clock;
mod cost;
mod database;
mod evaluator;
mod exposure;
mod identity;
mod kafka;
mod kubernetes;
mod limits;
mod observation;
mod pooler;
mod secret;
mod server;
mod topic;

pub use observation::DoctorObservations;

use futures::future::BoxFuture;
use serde::Serialize;

use crate::{cli::DoctorHop, config::LoadedConfig};

/// One thing that is looked at.
#[derive(Clone, Copy)]
pub struct DoctorCheck {
    /// Its name.
    pub name: &'static str,
    /// What it makes sure of.
    pub about: &'static str,
    /// What part of the way it belongs to.
    pub hop: DoctorHop,
    run: for<'s> fn(&'s DoctorObservations) -> BoxFuture<'s, CheckVerdict>,
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum CheckVerdict {
    /// As it should be.
    Well {
        /// What was seen.
        detail: String,
    },
    /// Broken.
    Broken {
        /// What is wrong.
        why: String,
        /// The exact fix.
        fix: String,
    },
    /// It works, and others could read along or stand in for somebody.
    Warned {
        /// What is at risk.
        why: String,
        /// The exact fix.
        fix: String,
    },
    /// It could not be looked at, for a reason another check tells, or it does not concern this set-up.
    Skipped {
        /// Why.
        why: String,
    },
}

impl CheckVerdict {
    pub(crate) fn well(detail: impl Into<String>) -> Self {
        Self::Well {
            detail: detail.into(),
        }
    }

    pub(crate) fn broken(why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Broken {
            why: why.into(),
            fix: fix.into(),
        }
    }

    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self::Skipped { why: why.into() }
    }

    /// Broken where there are `faults`, each on its own; else well.
    pub(crate) fn of(faults: &[String], fix: impl Into<String>, detail: impl Into<String>) -> Self {
        if faults.is_empty() {
            Self::well(detail)
        } else {
            Self::broken(faults.join("; "), fix)
        }
    }
}

/// What one check came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoctorFinding {
    /// Name of the check.
    pub check: &'static str,
    /// What it came to.
    #[serde(flatten)]
    pub verdict: CheckVerdict,
}

macro_rules! checks {
    ($($name:literal, $hop:ident, $run:path, $about:literal;)*) => {
        &[$(DoctorCheck { name: $name, about: $about, hop: DoctorHop::$hop, run: |scene| Box::pin($run(scene)) }),*]
    };
}

/// Everything that is looked at, in the order of a record's way.
pub const CHECKS: &[DoctorCheck] = checks! {
    "secret-files", Machine, secret::closed, "secrets and private keys can be read, and only by their owner";
    "certificates", Machine, certificate::valid, "certificates are valid now and for two more weeks";
    "exposed-ways", Machine, exposure::ways, "traffic to other machines is encrypted and verified";
    "kubernetes-reach", Kubernetes, kubernetes::reach, "the API server answers, with a certificate that is trusted, and knows this client";
    "kubernetes-rbac", Kubernetes, kubernetes::rbac, "the emitter may list and watch every kind it reports";
    "kubernetes-usage", Kubernetes, kubernetes::usage, "the emitter may read usage from where it is configured to";
    "kubernetes-lease", Kubernetes, kubernetes::lease, "the emitter may hold its Lease, and the namespace exists";
    "kubernetes-leader", Kubernetes, kubernetes::leader, "the holder of the Lease renews it";
    "kubernetes-clock", Kubernetes, kubernetes::clock, "the API server's clock and this one agree";
    "kafka-reach", Kafka, kafka::reach, "a broker answers, with a certificate that is trusted, and lets this client in";
    "kafka-topics", Kafka, kafka::exist, "every topic exists";
    "kafka-leaders", Kafka, kafka::leaders, "every partition has a leader";
    "kafka-clock", Kafka, clock::brokers, "the brokers' clock and this one agree";
    "kafka-auto-create", Kafka, kafka::auto_create, "brokers do not create topics automatically";
    "topic-compaction", Kafka, topic::compaction, "object topics are compacted and delete nothing by age";
    "topic-compaction-lag", Kafka, topic::compaction_lag, "a record stays at least 7 days before compaction";
    "topic-tombstones", Kafka, topic::tombstones, "a tombstone stays at least 7 days after compaction";
    "topic-timestamps", Kafka, topic::timestamps, "topics accept records of emitters whose clocks are wrong";
    "topic-usage-retention", Kafka, topic::usage_retention, "the usage topic deletes by age only, and late enough";
    "topic-message-size", Kafka, topic::message_size, "topics accept records as large as configured";
    "topic-replicas", Kafka, topic::replicas, "partitions have as many replicas as a write must reach";
    "topic-partitions", Kafka, topic::partitions, "partition counts are as recorded when the topics were first read";
    "postgres-reach", Postgres, server::reach, "the database answers, with a certificate that is trusted, and lets this user in";
    "postgres-pooler", Postgres, pooler::sessions, "roles that need their own sessions have them, without a pooler in transaction mode";
    "postgres-version", Postgres, server::version, "PostgreSQL is 15 or later";
    "postgres-primary", Postgres, server::primary, "it is a primary and can be written to";
    "postgres-encoding", Postgres, server::encoding, "the database's encoding is UTF-8";
    "postgres-durability", Postgres, server::durability, "a commit survives a crash";
    "postgres-locks", Postgres, server::locks, "queries about the past can take enough locks";
    "postgres-jit", Postgres, server::jit, "queries are not compiled (jit is off)";
    "postgres-connections", Postgres, server::connections, "enough connections are left for an ingester";
    "postgres-clock", Postgres, server::clock, "the database's clock and this one agree";
    "postgres-migrated", Postgres, database::migrated, "the database is at this version";
    "postgres-partitions", Postgres, database::partitions, "history has partitions for today and tomorrow";
    "postgres-roles", Postgres, database::roles, "roles are as migrate sets them up, also after a restore";
    "postgres-temporary-files", Postgres, limits::temporary_files, "queries of readers and teams cannot fill the disk with temporary files";
    "postgres-connection-limits", Postgres, limits::connections, "readers and teams leave connections to ingester and evaluator";
    "postgres-grants", Postgres, database::grants, "the configured user may do the ingester's work";
    "evaluate-reader", Evaluate, evaluator::reader, "stored SQL runs as a user that can only read";
    "evaluate-grants", Evaluate, evaluator::grants, "the configured user may do the evaluator's work";
    "evaluate-rules", Evaluate, evaluator::rules, "every file of the rules can be used on this database";
    "evaluate-receivers", Evaluate, evaluator::receivers, "receivers are configured, and their secrets can be read";
    "cost-matched", Evaluate, cost::matched,
        "every class of the price sheets and every label of cost.rollup_labels matches something in the \
         ledger";
    "console-tokens", Evaluate, evaluator::tokens, "tokens of the console can be read and differ from each other";
    "cluster-identity", Kubernetes, identity::name, "the ledger knows this cluster, and no other, by the configured name";
};

/// Looks at everything, or at one part.
pub async fn examine(loaded: &LoadedConfig, only: Option<DoctorHop>) -> Vec<DoctorFinding> {
    let scene = DoctorObservations::observe(loaded, only).await;
    let mut findings = Vec::new();
    for check in CHECKS
        .iter()
        .filter(|check| only.is_none_or(|hop| hop == check.hop))
    {
        findings.push(DoctorFinding {
            check: check.name,
            verdict: (check.run)(&scene).await,
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_have_names_of_their_own() {
        let mut names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len());
        assert!(names.len() >= 12);
    }
}
