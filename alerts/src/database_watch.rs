//! Whether the database answers a role that asks it only when somebody asks the role, as the console does: connections that
//! lie idle in a pool say nothing of it.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use fleetledger_schema::part_watch::PartWatch;
use tokio_util::sync::CancellationToken;

use crate::errors::{AlertsError, while_};

/// How often it is asked.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long it has for the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Who asks.
const WHO: &str = "database watch";

/// Asks the database now and then; clones see the same.
#[derive(Debug, Clone)]
pub struct DatabaseWatch {
    postgres: PartWatch,
}

impl Default for DatabaseWatch {
    fn default() -> Self {
        Self::new()
    }
}

impl DatabaseWatch {
    /// Nothing was asked yet, so nothing has failed.
    #[must_use]
    pub fn new() -> Self {
        Self {
            postgres: PartWatch::new("console", "PostgreSQL"),
        }
    }

    /// Ready: the database answers.
    ///
    /// # Errors
    /// For how long it has not, and why.
    pub fn ready(&self) -> Result<(), String> {
        self.postgres.ready()
    }

    /// Asks until `stop`.
    pub async fn run(self, pool: Pool, stop: CancellationToken) {
        loop {
            let answer = tokio::select! {
                () = stop.cancelled() => return,
                answer = ask(&pool) => answer,
            };
            match answer {
                Ok(()) => self.postgres.answered(WHO),
                Err(why) => self.postgres.failed(WHO, &why),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }
}

async fn ask(pool: &Pool) -> Result<(), String> {
    let step = "ask whether the database answers";
    let client = pool.get().await;
    let client = client.map_err(|source| AlertsError::Pool { step, source }.chain())?;
    match tokio::time::timeout(ANSWER_WITHIN, client.batch_execute("")).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            drop(Object::take(client));
            Err(while_(step)(error).chain())
        }
        Err(_) => {
            drop(Object::take(client));
            Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs()))
        }
    }
}
