//! A second server that replays what the first one writes, and takes over from it.

use std::fs;
use std::path::Path;

use tokio::process::Command;
use tokio_postgres::{Client, Config};

use super::{LocalPostgres, SUPERUSER, tls};
use crate::account::{self, SystemAccount};
use crate::cache::ArtifactCache;
use crate::error::{FileContext, LocalError, LocalResult};
use crate::ports::free_port;
use crate::process::{self, write_file};
use crate::scratch::ScratchFolder;

impl LocalPostgres {
    /// Starts a streaming standby of this server, temporary, on a port of its own. Commits do not wait for it.
    ///
    /// The base backup is made by the server's own functions and a copy of its files, so that no client program is
    /// needed. Make it before the load: a file that vanishes while it is copied fails it.
    pub async fn standby(&self, cache: &ArtifactCache) -> LocalResult<LocalPostgres> {
        let account = account::for_servers().await?;
        let scratch = ScratchFolder::create(&cache.data_root().join("scratch"), "postgres-standby").await?;
        let data_dir = scratch.path().join("data");
        let label = self.back_up(&data_dir).await?;
        let port = free_port()?;
        prepare(&data_dir, account.as_ref(), &label, self.port, port)?;
        let mut launch = self.launch.clone();
        launch.part = "PostgreSQL standby".to_owned();
        launch.log = data_dir.with_extension("log");
        for argument in &mut launch.command {
            if *argument == self.data_dir.display().to_string() {
                *argument = data_dir.display().to_string();
            }
        }
        let mut standby = LocalPostgres {
            server: None,
            launch,
            data_dir,
            port,
            client: self.client.clone(),
            version: self.version.clone(),
            programs: self.programs.clone(),
            _scratch: Some(scratch),
        };
        standby.start().await?;
        Ok(standby)
    }

    /// A standby no longer hears of what its primary writes, and stays behind.
    pub async fn stop_following(&self) -> LocalResult<()> {
        let alone = "alter system set primary_conninfo = ''";
        self.execute("stop the standby's replication", alone).await?;
        self.execute("reload", "select pg_reload_conf()").await
    }

    /// A standby becomes a primary; returns once it takes writes.
    pub async fn promote(&self) -> LocalResult<()> {
        let claim = "do $$ begin assert pg_promote(true, 60), 'not promoted within 60 s'; end $$";
        self.execute("promote the standby", claim).await
    }

    /// A primary takes no more writes, as one that has lost its role: neither in new sessions nor in open ones.
    pub async fn refuse_writes(&self) -> LocalResult<()> {
        let refuse = "alter system set default_transaction_read_only = on";
        self.execute("refuse writes", refuse).await?;
        self.execute("reload", "select pg_reload_conf()").await
    }

    /// Copies the data; returns the label by which the copy knows where to begin.
    async fn back_up(&self, to: &Path) -> LocalResult<String> {
        let refused = |source| LocalError::Postgres {
            action: "back up",
            source,
        };
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user(SUPERUSER);
        config.dbname("postgres");
        let connector = tls::connector(self.client.as_ref())?;
        let (client, connection) = config.connect(connector).await.map_err(refused)?;
        tokio::select! {
            label = self.copy(&client, to) => label,
            ended = connection => Err(refused(match ended {
                Err(source) => source,
                Ok(()) => return Err(LocalError::Setup("the server ended the backup's session".to_owned())),
            })),
        }
    }

    async fn copy(&self, client: &Client, to: &Path) -> LocalResult<String> {
        let refused = |source| LocalError::Postgres {
            action: "back up",
            source,
        };
        client
            .batch_execute("select pg_backup_start('standby', true)")
            .await
            .map_err(refused)?;
        let mut copy = Command::new("cp");
        copy.args(["-a", "--reflink=auto", "-T"])
            .arg(&self.data_dir)
            .arg(to);
        process::run(&mut copy).await?;
        let label = client
            .query_one("select labelfile from pg_backup_stop(false)", &[])
            .await
            .map_err(refused)?;
        label.try_get(0).map_err(refused)
    }
}

/// Makes a copied data directory one of a standby.
fn prepare(
    data_dir: &Path,
    account: Option<&SystemAccount>,
    label: &str,
    primary_port: u16,
    port: u16,
) -> LocalResult<()> {
    let pid_file = data_dir.join("postmaster.pid");
    fs::remove_file(&pid_file).while_("remove", &pid_file)?;
    let config = data_dir.join("postgresql.conf");
    let mut settings = fs::read_to_string(&config).while_("read", &config)?;
    settings.push_str(&format!(
        "port = '{port}'\nhot_standby = 'on'\n\
         primary_conninfo = 'host=127.0.0.1 port={primary_port} user={SUPERUSER} application_name=standby'\n"
    ));
    let files = [
        ("backup_label", label),
        ("standby.signal", ""),
        ("postgresql.conf", settings.as_str()),
    ];
    for (name, text) in files {
        let file = data_dir.join(name);
        write_file(&file, text)?;
        account::hand_over(account, &file)?;
    }
    Ok(())
}
