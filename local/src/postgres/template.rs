//! One server for all tests of a process, and a database of its own for each of them.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

use tokio::{runtime, sync::Mutex};

use super::LocalPostgres;
use crate::cache::ArtifactCache;
use crate::error::{LocalError, LocalResult};

/// The database that is copied.
const TEMPLATE: &str = "template_ledger";

/// A server whose databases are copies of one that was prepared once. It lives on a thread of its own, because the
/// runtime of the test that asks first ends with that test, and it ends with the process.
#[derive(Debug)]
pub struct PostgresTemplate {
    base_url: String,
    next: AtomicU32,
    /// Two tests may not copy at once.
    copying: Mutex<()>,
}

impl PostgresTemplate {
    /// The one of this process; who asks first starts it, and has `prepare` fill the template by the superuser's URL.
    ///
    /// # Errors
    /// The server could not be started or the template not be filled; whoever asks again is told the same.
    pub async fn of_process<P, F>(prepare: P) -> LocalResult<&'static Self>
    where
        P: FnOnce(String) -> F + Send + 'static,
        F: Future<Output = std::result::Result<(), String>>,
    {
        static SHARED: OnceLock<std::result::Result<PostgresTemplate, String>> = OnceLock::new();
        let started = tokio::task::spawn_blocking(|| SHARED.get_or_init(|| start(prepare))).await;
        match started {
            Ok(Ok(template)) => Ok(template),
            Ok(Err(why)) => Err(template_error(why)),
            Err(error) => Err(template_error(&error.to_string())),
        }
    }

    /// A copy of the template for one test; the superuser's URL.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn database(&self) -> LocalResult<String> {
        let name = format!("ledger_{}", self.next.fetch_add(1, Ordering::Relaxed));
        {
            let _copying = self.copying.lock().await;
            let copy = format!("create database {name} template {TEMPLATE}");
            self.execute("copy the template", &copy).await?;
        }
        // What roles are set to in a database is not copied with it.
        let settings = format!(
            "do $$
            declare s record;
            begin
                for s in
                    select r.rolname, split_part(c, '=', 1) as name, substr(c, strpos(c, '=') + 1) as value
                    from pg_db_role_setting as d
                    join pg_database as b on b.oid = d.setdatabase and b.datname = '{TEMPLATE}'
                    join pg_roles as r on r.oid = d.setrole
                    cross join unnest(d.setconfig) as c
                loop
                    execute format('alter role %I in database {name} set %s = %s', s.rolname, s.name,
                        case when s.name = 'search_path' then s.value else quote_literal(s.value) end);
                end loop;
            end
            $$"
        );
        self.execute("set up the roles of a copy", &settings).await?;
        Ok(format!("{}{name}", self.base_url))
    }

    async fn execute(&self, action: &'static str, sql: &str) -> LocalResult<()> {
        let url = format!("{}postgres", self.base_url);
        let refused = |source| LocalError::Postgres { action, source };
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .map_err(refused)?;
        tokio::select! {
            result = client.batch_execute(sql) => result.map_err(refused),
            Err(source) = connection => Err(refused(source)),
        }
    }
}

fn template_error(why: &str) -> LocalError {
    LocalError::Setup(format!(
        "the template database of this process's tests could not be created: {why}"
    ))
}

fn start<P, F>(prepare: P) -> std::result::Result<PostgresTemplate, String>
where
    P: FnOnce(String) -> F + Send + 'static,
    F: Future<Output = std::result::Result<(), String>>,
{
    let (url_sender, url_receiver) = mpsc::channel();
    thread::spawn(move || {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let server = start_template_server(prepare).await;
            let is_up = server.is_ok();
            let url = server.as_ref().map(|server| server.url_of(""));
            if url_sender.send(url.map_err(Clone::clone)).is_ok() && is_up {
                std::future::pending::<()>().await;
            }
            drop(server);
        });
    });
    let base_url = url_receiver
        .recv()
        .map_err(|_| "its thread has ended".to_owned())??;
    Ok(PostgresTemplate {
        base_url,
        next: AtomicU32::new(0),
        copying: Mutex::new(()),
    })
}

async fn start_template_server<P, F>(prepare: P) -> std::result::Result<LocalPostgres, String>
where
    P: FnOnce(String) -> F,
    F: Future<Output = std::result::Result<(), String>>,
{
    let cache = ArtifactCache::new(ArtifactCache::default_root());
    let as_text = |error: LocalError| error.to_string();
    let server = LocalPostgres::builder().temporary().fast().start(&cache).await;
    let server = server.map_err(as_text)?;
    server.create_database(TEMPLATE).await.map_err(as_text)?;
    prepare(server.url_of(TEMPLATE)).await?;
    // Nobody may be in it while it is copied.
    let close = format!("alter database {TEMPLATE} allow_connections false");
    server
        .execute("close the template", &close)
        .await
        .map_err(as_text)?;
    let end =
        format!("select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '{TEMPLATE}'");
    server
        .execute("end sessions in the template", &end)
        .await
        .map_err(as_text)?;
    Ok(server)
}
