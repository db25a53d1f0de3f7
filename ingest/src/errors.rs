//! What can go wrong, and what is done about it: one total function from failures to dispositions.

use fleetledger_schema::postgres::{ConnectError, needs_new_session};
use thiserror::Error;

/// Why an ingester ends, or one of its commands fails.
#[derive(Debug, Error)]
pub enum IngestError {
    /// A setting has a value it must not have.
    #[error("setting ingest.{key} {why}")]
    Settings {
        /// Key within `[ingest]`.
        key: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Kafka's client refused a configuration or an operation.
    #[error("{action}")]
    Kafka {
        /// What was tried.
        action: String,
        /// What the client said.
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// Topics did not appear in time.
    #[error(
        "topics {0} do not exist; create them with `fleetledger topics create`, or check ingest.topic_prefix and ingest.topic_suffixes"
    )]
    NoTopic(String),
    /// A topic's partition or shard count is not the one it was first read with.
    #[error(
        "topic {topic} has {found} {what}, but was first read with {recorded}; create a new topic and let \
         the emitters sweep"
    )]
    TopicChanged {
        /// The topic.
        topic: String,
        /// partitions or shards.
        what: &'static str,
        /// Count now.
        found: i64,
        /// Count when it was first read.
        recorded: i64,
    },
    /// PostgreSQL could not be reached.
    #[error("connect to PostgreSQL")]
    Connect(#[from] ConnectError),
    /// PostgreSQL refused a statement.
    #[error("{action}")]
    Postgres {
        /// What was tried.
        action: &'static str,
        /// What the server said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// A session's own failure, such as of a replay.
    #[error("{text}")]
    Session {
        /// What failed, and what the server said.
        text: String,
        /// The server's SQLSTATE; a word where the server said nothing.
        code: String,
    },
    /// Partitions could not be claimed within the time the group allows.
    #[error(
        "partitions could not be claimed within {0} s; check that PostgreSQL can be reached and is migrated"
    )]
    ClaimDeadline(u64),
    /// A partition stays behind and nothing lands.
    #[error("partition {0} is behind and has landed nothing for {1} s; restart, then see docs/operating.md")]
    Stalled(String, u64),
    /// A thread or task ended that never should.
    #[error("{0} ended unexpectedly")]
    Ended(&'static str),
    /// What was asked for does not exist.
    #[error("{0}")]
    NotFound(String),
}

impl IngestError {
    /// What failed in a session; `step` stands before what the server said.
    pub(crate) fn session(step: &str, failure: &DatabaseFailure) -> Self {
        IngestError::Session {
            text: format!("{step}{failure}"),
            code: failure.code().to_owned(),
        }
    }

    /// What failed, and what the database said where it did.
    pub(crate) fn explain(&self) -> String {
        match self {
            IngestError::Connect(error) => DatabaseFailure::of_login(&error.source).explain(),
            IngestError::Postgres { source, .. } => {
                format!("{self}: {}", DatabaseFailure::of(source).explain())
            }
            other => other.to_string(),
        }
    }

    /// True if trying again later may help.
    pub(crate) fn is_transient(&self) -> bool {
        let failure = match self {
            IngestError::Connect(error) => DatabaseFailure::of_login(&error.source),
            IngestError::Postgres { source, .. } => DatabaseFailure::of(source),
            IngestError::Settings { .. }
            | IngestError::Kafka { .. }
            | IngestError::NoTopic(_)
            | IngestError::TopicChanged { .. }
            | IngestError::ClaimDeadline(_)
            | IngestError::Stalled(..)
            | IngestError::Ended(_)
            | IngestError::Session { .. }
            | IngestError::NotFound(_) => return false,
        };
        matches!(
            failure.disposition(),
            FailureDisposition::Retry
                | FailureDisposition::Reconnect
                | FailureDisposition::LoginRefused
                | FailureDisposition::ServerBroken
                | FailureDisposition::ServerDefect
        )
    }
}

/// A failure while a batch lands or a book is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DatabaseFailure {
    /// The connection broke, or none could be made.
    Connection(String),
    /// The server answered with an error.
    Server(ServerError),
    /// The server did so before there was a session: it says nothing of what was to be done in it.
    Login(ServerError),
    /// The client could not make sense of an answer or a parameter: a defect.
    Client(String),
}

/// An error of the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ServerError {
    pub(crate) sqlstate: String,
    pub(crate) message: String,
    /// Name of the violated constraint; empty if there is none.
    pub(crate) constraint: String,
    /// Context, which for COPY names table and line.
    pub(crate) context: String,
    /// Detail, which for a missing partition names the row's key.
    pub(crate) detail: String,
    /// The server's function that raised it.
    pub(crate) routine: String,
}

impl ServerError {
    /// A table of the writer's session is not there, or is there already: the session is not the one it was made in.
    fn is_about_session_table(&self) -> bool {
        matches!(self.sqlstate.as_str(), "42P01" | "42P07")
            && SESSION_TABLES.iter().any(|prefix| self.message.contains(prefix))
    }
}

/// How the names of the temporary tables of a writer begin, as messages of any language quote them.
const SESSION_TABLES: [&str; 2] = ["\"stage_", "\"plan_"];

/// What is done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureDisposition {
    /// Send the same bytes again.
    Retry,
    /// Make a new connection, look at the fence, then send the same bytes again.
    Reconnect,
    /// The server does not let this login in, such as between the change of a password and that of its file: reconnect as
    /// above, loudly, until it does.
    LoginRefused,
    /// The server lacks a file, or its storage fails: reconnect as above, loudly, until somebody has repaired it.
    ServerBroken,
    /// The server failed within itself: reconnect as above, loudly; nobody can go on if it goes on for some time.
    ServerDefect,
    /// Make the missing day's partitions, then send the same bytes again; a second time in a row is fatal.
    EnsurePartitions,
    /// The statement took too long: after the third time halve the batch.
    Slow,
    /// A record is at fault: find it and put it aside.
    Poison,
    /// Nobody can go on here: halt the partitions, visibly.
    Fatal,
}

impl FailureDisposition {
    /// The server does not answer, or not as a server does that works: it is waited for.
    pub(crate) fn is_outage(self) -> bool {
        matches!(
            self,
            FailureDisposition::Reconnect
                | FailureDisposition::LoginRefused
                | FailureDisposition::ServerBroken
                | FailureDisposition::ServerDefect
        )
    }
}

impl DatabaseFailure {
    pub(crate) fn of(error: &tokio_postgres::Error) -> Self {
        if let Some(db) = error.as_db_error() {
            return DatabaseFailure::Server(ServerError {
                sqlstate: db.code().code().to_owned(),
                message: db.message().to_owned(),
                constraint: db.constraint().unwrap_or_default().to_owned(),
                context: db.where_().unwrap_or_default().to_owned(),
                detail: db.detail().unwrap_or_default().to_owned(),
                routine: db.routine().unwrap_or_default().to_owned(),
            });
        }
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        let mut io = error.is_closed();
        while let Some(inner) = source {
            io |= inner.is::<std::io::Error>();
            text.push_str(": ");
            text.push_str(&inner.to_string());
            source = inner.source();
        }
        // What is neither the server's answer nor a wrong parameter is the wire's fault.
        let defect = [
            "error serializing",
            "error deserializing",
            "error retrieving",
            "invalid column",
            "expected",
        ];
        if !io && defect.iter().any(|prefix| text.starts_with(prefix)) {
            DatabaseFailure::Client(text)
        } else {
            DatabaseFailure::Connection(text)
        }
    }

    /// The same of a connection that could not be made.
    pub(crate) fn of_login(error: &tokio_postgres::Error) -> Self {
        match Self::of(error) {
            DatabaseFailure::Server(error) => DatabaseFailure::Login(error),
            other => other,
        }
    }

    /// The SQLSTATE for metrics, or a word in its place.
    pub(crate) fn code(&self) -> &str {
        match self {
            DatabaseFailure::Connection(_) => "connection",
            DatabaseFailure::Client(_) => "client",
            DatabaseFailure::Server(error) | DatabaseFailure::Login(error) => &error.sqlstate,
        }
    }

    /// The one total function: SQLSTATEs that are not named here are fatal.
    pub(crate) fn disposition(&self) -> FailureDisposition {
        let error = match self {
            DatabaseFailure::Connection(_) => return FailureDisposition::Reconnect,
            DatabaseFailure::Client(_) => return FailureDisposition::Fatal,
            DatabaseFailure::Login(error) => {
                return match error.sqlstate.get(..2) {
                    // It starts, stops, or has no connection left.
                    Some("08" | "53" | "57") => FailureDisposition::Reconnect,
                    _ => FailureDisposition::LoginRefused,
                };
            }
            DatabaseFailure::Server(error) => error,
        };
        if needs_new_session(&error.sqlstate, &error.routine) || error.is_about_session_table() {
            return FailureDisposition::Reconnect;
        }
        match error.sqlstate.as_str() {
            // A partitioned parent without a partition for the row: no constraint has a name then.
            "23514" if error.constraint.is_empty() => FailureDisposition::EnsurePartitions,
            "57014" => FailureDisposition::Slow,
            "40001" | "40P01" | "55P03" => FailureDisposition::Retry,
            "54000" => FailureDisposition::Poison,
            state => match state.get(..2) {
                Some("53") => FailureDisposition::Retry,
                // A library that was replaced below a running server (58P01), a disk that fails (58030).
                Some("58") => FailureDisposition::ServerBroken,
                Some("XX") => FailureDisposition::ServerDefect,
                Some("22" | "23") => FailureDisposition::Poison,
                _ => FailureDisposition::Fatal,
            },
        }
    }

    /// What an operator should do while it is tried again; `None` where it passes by itself.
    fn remedy(&self) -> Option<&'static str> {
        match self.disposition() {
            FailureDisposition::LoginRefused => Some(
                "set the role's password to the one that postgres.password points to, or put the role's \
                 password there; the next attempt uses it, and ingestion continues by itself",
            ),
            FailureDisposition::ServerBroken => Some(
                "restart PostgreSQL if an upgrade replaced its files (58P01), or check its disks (58030); \
                 ingestion continues by itself",
            ),
            FailureDisposition::ServerDefect => {
                Some("see PostgreSQL's log for its internal error; if it persists, the partitions halt")
            }
            _ => None,
        }
    }

    /// What went wrong, and what an operator should do about it if it does not pass by itself.
    pub(crate) fn explain(&self) -> String {
        match self.remedy() {
            Some(remedy) => format!("{self}; {remedy}"),
            None => self.to_string(),
        }
    }

    /// Day that a missing partition should hold, as `2026-01-31`.
    pub(crate) fn missing_day(&self) -> Option<String> {
        let DatabaseFailure::Server(error) = self else {
            return None;
        };
        let (_, key) = error.detail.split_once(") = (")?;
        key.get(..10).map(str::to_owned)
    }

    /// Line of the COPY stream that the server refused, from 1, and its stage table.
    pub(crate) fn copy_line(&self) -> Option<(String, usize)> {
        let DatabaseFailure::Server(error) = self else {
            return None;
        };
        let rest = error.context.strip_prefix("COPY ")?;
        let (table, rest) = rest.split_once(", line ")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some((table.to_owned(), digits.parse().ok()?))
    }
}

impl std::fmt::Display for DatabaseFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DatabaseFailure::Connection(text) | DatabaseFailure::Client(text) => f.write_str(text),
            DatabaseFailure::Server(error) | DatabaseFailure::Login(error) => {
                write!(f, "{} ({})", error.message, error.sqlstate)
            }
        }
    }
}

impl From<tokio_postgres::Error> for DatabaseFailure {
    fn from(error: tokio_postgres::Error) -> Self {
        DatabaseFailure::of(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(sqlstate: &str, constraint: &str) -> DatabaseFailure {
        DatabaseFailure::Server(ServerError {
            sqlstate: sqlstate.into(),
            constraint: constraint.into(),
            ..ServerError::default()
        })
    }

    #[test]
    fn every_class_of_failure_has_its_disposition() {
        for (sqlstate, expected) in [
            ("08006", FailureDisposition::Reconnect),
            ("25006", FailureDisposition::Reconnect),
            ("57P01", FailureDisposition::Reconnect),
            ("57P02", FailureDisposition::Reconnect),
            ("57P03", FailureDisposition::Reconnect),
            ("40001", FailureDisposition::Retry),
            ("40P01", FailureDisposition::Retry),
            ("53100", FailureDisposition::Retry),
            ("53300", FailureDisposition::Retry),
            ("55P03", FailureDisposition::Retry),
            ("57014", FailureDisposition::Slow),
            ("22021", FailureDisposition::Poison),
            ("22P02", FailureDisposition::Poison),
            ("23502", FailureDisposition::Poison),
            ("23505", FailureDisposition::Poison),
            ("54000", FailureDisposition::Poison),
            ("42P01", FailureDisposition::Fatal),
            ("28P01", FailureDisposition::Fatal),
            ("3D000", FailureDisposition::Fatal),
            ("0A000", FailureDisposition::Fatal),
            ("21000", FailureDisposition::Fatal),
            ("55000", FailureDisposition::Fatal),
            ("42501", FailureDisposition::Fatal),
            ("57P04", FailureDisposition::Fatal),
            ("25P03", FailureDisposition::Reconnect),
            ("25P04", FailureDisposition::Reconnect),
            ("25P02", FailureDisposition::Reconnect),
            ("26000", FailureDisposition::Reconnect),
            ("34000", FailureDisposition::Reconnect),
            ("42P05", FailureDisposition::Reconnect),
            ("08P01", FailureDisposition::Reconnect),
            ("58000", FailureDisposition::ServerBroken),
            ("58030", FailureDisposition::ServerBroken),
            ("58P01", FailureDisposition::ServerBroken),
            ("XX000", FailureDisposition::ServerDefect),
            ("XX001", FailureDisposition::ServerDefect),
            ("XX002", FailureDisposition::ServerDefect),
            ("", FailureDisposition::Fatal),
        ] {
            assert_eq!(server(sqlstate, "c").disposition(), expected, "{sqlstate}");
        }
        assert_eq!(
            server("23514", "").disposition(),
            FailureDisposition::EnsurePartitions
        );
        assert_eq!(
            server("23514", "pod_check").disposition(),
            FailureDisposition::Poison
        );
        assert_eq!(
            DatabaseFailure::Connection(String::new()).disposition(),
            FailureDisposition::Reconnect
        );
        assert_eq!(
            DatabaseFailure::Client(String::new()).disposition(),
            FailureDisposition::Fatal
        );
    }

    #[test]
    fn a_refused_login_says_nothing_of_the_batch_and_is_tried_again() {
        for (sqlstate, expected) in [
            ("28P01", FailureDisposition::LoginRefused),
            ("28000", FailureDisposition::LoginRefused),
            ("3D000", FailureDisposition::LoginRefused),
            ("42501", FailureDisposition::LoginRefused),
            ("53300", FailureDisposition::Reconnect),
            ("57P03", FailureDisposition::Reconnect),
        ] {
            let DatabaseFailure::Server(error) = server(sqlstate, "") else {
                panic!("{sqlstate}");
            };
            let failure = DatabaseFailure::Login(error);
            assert_eq!(failure.disposition(), expected, "{sqlstate}");
            assert_eq!(failure.code(), sqlstate);
        }
    }

    #[test]
    fn what_another_session_holds_asks_for_a_new_session() {
        let refused = |sqlstate: &str, message: &str, routine: &str| {
            DatabaseFailure::Server(ServerError {
                sqlstate: sqlstate.into(),
                message: message.into(),
                routine: routine.into(),
                ..ServerError::default()
            })
            .disposition()
        };
        for (sqlstate, message, routine) in [
            (
                "42P01",
                "relation \"stage_pod\" does not exist",
                "parserOpenTable",
            ),
            (
                "42P07",
                "relation \"plan_container\" already exists",
                "heap_create_with_catalog",
            ),
            (
                "0A000",
                "cached plan must not change result type",
                "RevalidateCachedQuery",
            ),
        ] {
            assert_eq!(refused(sqlstate, message, routine), FailureDisposition::Reconnect);
        }
        let missing = refused(
            "42P01",
            "relation \"ledger.pod\" does not exist",
            "parserOpenTable",
        );
        assert_eq!(missing, FailureDisposition::Fatal);
    }

    #[test]
    fn copy_names_the_stage_and_the_line() {
        let failure = DatabaseFailure::Server(ServerError {
            context: "COPY stage_pod, line 12, column labels".into(),
            ..ServerError::default()
        });
        assert_eq!(failure.copy_line(), Some(("stage_pod".into(), 12)));
    }

    #[test]
    fn a_missing_partition_names_its_day() {
        let failure = DatabaseFailure::Server(ServerError {
            detail: "Partition key of the failing row contains (valid_to) = (2026-11-24 00:00:01+00).".into(),
            ..ServerError::default()
        });
        assert_eq!(failure.missing_day(), Some("2026-11-24".into()));
    }
}
