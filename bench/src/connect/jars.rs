//! Where Kafka Connect and the sink come from: Maven Central, through Maven, into the cache.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fleetledger_local::{ArtifactCache, maven};

const WORKER: &str = include_str!("worker.xml");
const PLUGIN: &str = include_str!("plugin.xml");
const LOGGING: &str = "status=warn\nrootLogger.level=info\nrootLogger.appenderRef.out.ref=out\n\
    appender.out.type=Console\nappender.out.name=out\nappender.out.layout.type=PatternLayout\n\
    appender.out.layout.pattern=%d %p %m (%c)%n\n";
/// The worker's own stand on its class path; two versions of one class cannot be cast to each other.
const NOT_IN_PLUGIN: &[&str] = &["jackson-core", "jackson-databind", "jackson-annotations"];

/// The worker's and the connector's classes.
#[derive(Debug)]
pub(super) struct ConnectJars {
    folder: PathBuf,
}

impl ConnectJars {
    /// `java` with so many megabytes of heap, up to the worker's own arguments.
    pub(super) fn java(&self, heap_mb: u32) -> Vec<String> {
        [
            "java".to_owned(),
            format!("-Xmx{heap_mb}m"),
            "-Djava.awt.headless=true".to_owned(),
            format!(
                "-Dlog4j2.configurationFile={}",
                self.folder.join("log4j2.properties").display()
            ),
            "-cp".to_owned(),
            self.folder.join("worker/lib/*").display().to_string(),
            "org.apache.kafka.connect.cli.ConnectStandalone".to_owned(),
        ]
        .to_vec()
    }

    /// What `plugin.path` names.
    pub(super) fn plugins(&self) -> PathBuf {
        self.folder.join("plugins")
    }
}

/// Fetches the jars once a version of these files; about 150 MB.
pub(super) async fn fetch(cache: &ArtifactCache) -> anyhow::Result<ConnectJars> {
    let texts = [WORKER, PLUGIN, LOGGING].concat();
    let hash = xxhash_rust::xxh3::xxh3_64(texts.as_bytes());
    let make = |staging: PathBuf| async move { download(&staging).await };
    let folder = cache.artifact(&format!("connect-{hash:016x}"), make).await;
    Ok(ConnectJars {
        folder: folder.context("fetch kafka connect")?,
    })
}

async fn download(staging: &Path) -> fleetledger_local::LocalResult<()> {
    for (name, pom) in [("worker", WORKER), ("plugins/jdbc", PLUGIN)] {
        let folder = staging.join(name);
        write(&folder.join("pom.xml"), pom)?;
        maven::copy_dependencies(&folder).await?;
    }
    write(&staging.join("log4j2.properties"), LOGGING)?;
    let plugin = staging.join("plugins/jdbc/lib");
    let read = |source| fleetledger_local::LocalError::File {
        action: "read",
        path: plugin.clone(),
        source,
    };
    for entry in std::fs::read_dir(&plugin).map_err(read)? {
        let entry = entry.map_err(read)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if NOT_IN_PLUGIN
            .iter()
            .any(|jar| name.starts_with(&format!("{jar}-")))
        {
            std::fs::remove_file(entry.path()).map_err(read)?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> fleetledger_local::LocalResult<()> {
    let failed = |source| fleetledger_local::LocalError::File {
        action: "write",
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}
