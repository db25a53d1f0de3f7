//! Where Apache Kafka comes from: Maven Central, through Maven, into the cache.

use std::path::{Path, PathBuf};

use crate::cache::ArtifactCache;
use crate::error::{LocalError, LocalResult};
use crate::maven;
use crate::process::{self, write_file};

const POM: &str = include_str!("pom.xml");
const LOGGING: &str = include_str!("log4j2.properties");

/// Kafka's classes and its logging configuration.
#[derive(Debug, Clone)]
pub(super) struct KafkaJars {
    folder: PathBuf,
}

impl KafkaJars {
    /// `java` with options, the class path and a main class; the class's own arguments follow.
    pub(super) fn java(&self, options: &[&str], main_class: &str) -> Vec<String> {
        let mut line = vec!["java".to_owned(), "-XX:+UseSerialGC".to_owned()];
        line.extend(options.iter().map(|option| (*option).to_owned()));
        line.push("-Djava.awt.headless=true".to_owned());
        let logging = self.folder.join("log4j2.properties");
        line.push(format!("-Dlog4j2.configurationFile={}", logging.display()));
        line.push("-cp".to_owned());
        line.push(self.folder.join("lib/*").display().to_string());
        line.push(main_class.to_owned());
        line
    }
}

/// Fetches the jars once a version of the pom.
pub(super) async fn fetch(cache: &ArtifactCache) -> LocalResult<KafkaJars> {
    if !process::is_runnable("java", &["-version"]).await {
        return Err(unavailable("java (17 or later) is not installed"));
    }
    let hash = xxhash_rust::xxh3::xxh3_64([POM, LOGGING].concat().as_bytes());
    let name = format!("kafka-{hash:016x}");
    let folder = cache
        .artifact(&name, |staging| async move { download(&staging).await })
        .await?;
    Ok(KafkaJars { folder })
}

async fn download(staging: &Path) -> LocalResult<()> {
    if !process::is_runnable("mvn", &["--version"]).await {
        return Err(unavailable("mvn, which fetches the broker, is not installed"));
    }
    write_file(&staging.join("pom.xml"), POM)?;
    write_file(&staging.join("log4j2.properties"), LOGGING)?;
    maven::copy_dependencies(staging).await
}

fn unavailable(reason: &str) -> LocalError {
    LocalError::Unavailable {
        part: "Apache Kafka",
        reason: reason.to_owned(),
        remedy: maven::REMEDY.to_owned(),
    }
}
