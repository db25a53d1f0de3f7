//! Avro libraries that other people wrote, to read with them what fleetledger writes: the one for Java, fetched through
//! Maven, and fastavro for Python, fetched through pip.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::cache::ArtifactCache;
use crate::error::{LocalError, LocalResult};
use crate::maven;
use crate::pip;
use crate::process::{self, write_file};
use crate::scratch::ScratchFolder;

const POM: &str = include_str!("pom.xml");
const JAVA_PROGRAM: &str = include_str!("AvroReader.java");
const PYTHON_PROGRAM: &str = include_str!("avro_reader.py");
const FASTAVRO: &str = "fastavro==1.13.1";
const PYTHON_REMEDY: &str = "sudo apt-get install -y python3 python3-pip";

/// An Avro library that is not ours, and the program that reads with it.
#[derive(Debug, Clone)]
pub struct AvroReader {
    language: ReaderLanguage,
    folder: PathBuf,
    scratch_root: PathBuf,
}

#[derive(Debug, Clone, Copy)]
enum ReaderLanguage {
    Java,
    Python,
}

/// What a library says of a folder of schemas and values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AvroReading {
    /// Of each schema its name, the fingerprint of its parsing canonical form, and that form.
    pub schemas: Vec<(String, u64, String)>,
    /// Of each value the name of its schema and its first field, or why it was refused.
    pub values: Vec<(String, Result<String, String>)>,
}

impl AvroReader {
    /// The library for Java.
    ///
    /// # Errors
    /// [`LocalError::Unavailable`] without Java, or without Maven to fetch it with.
    pub async fn java(cache: &ArtifactCache) -> LocalResult<Self> {
        if let Some(tool) = maven::missing().await {
            return Err(unavailable(
                "Avro for Java",
                &format!("{tool} is not installed"),
                maven::REMEDY,
            ));
        }
        let name = artifact_name("avro-java", &[POM, JAVA_PROGRAM]);
        let folder = cache
            .artifact(&name, |staging| async move { build_java(&staging).await })
            .await?;
        Ok(Self::new(ReaderLanguage::Java, folder, cache))
    }

    /// The library for Python.
    ///
    /// # Errors
    /// [`LocalError::Unavailable`] without Python, or without pip to fetch it with.
    pub async fn fastavro(cache: &ArtifactCache) -> LocalResult<Self> {
        if !pip::is_there().await {
            return Err(unavailable("fastavro", pip::MISSING, PYTHON_REMEDY));
        }
        let name = artifact_name("fastavro", &[FASTAVRO, PYTHON_PROGRAM]);
        let folder = cache
            .artifact(&name, |staging| async move {
                write_file(&staging.join("avro_reader.py"), PYTHON_PROGRAM)?;
                pip::install("python3", &staging.join("lib"), &["--no-deps", FASTAVRO]).await
            })
            .await?;
        Ok(Self::new(ReaderLanguage::Python, folder, cache))
    }

    /// Has the library read `<name>.avsc` of each of `schemas`, and `values`: framed, each with the name of its schema.
    ///
    /// # Errors
    /// If the library's program fails.
    pub async fn read(
        &self,
        schemas: &[(String, String)],
        values: &[(String, Vec<u8>)],
    ) -> LocalResult<AvroReading> {
        let scratch = ScratchFolder::create(&self.scratch_root, "avro").await?;
        for (name, text) in schemas {
            write_file(&scratch.path().join(format!("{name}.avsc")), text)?;
        }
        let lines: String = values
            .iter()
            .map(|(name, value)| format!("{name} {}\n", hex(value)))
            .collect();
        write_file(&scratch.path().join("values.txt"), &lines)?;
        let mut program = match self.language {
            ReaderLanguage::Java => {
                let mut program = Command::new("java");
                let class_path = format!("{0}/lib/*:{0}/classes", self.folder.display());
                program.args(["-cp", &class_path, "AvroReader"]);
                program
            }
            ReaderLanguage::Python => {
                let mut program = Command::new("python3");
                program.env("PYTHONPATH", self.folder.join("lib"));
                program.arg(self.folder.join("avro_reader.py"));
                program
            }
        };
        let output = process::run(program.arg(scratch.path())).await?;
        Ok(parse(&output))
    }

    fn new(language: ReaderLanguage, folder: PathBuf, cache: &ArtifactCache) -> Self {
        Self {
            language,
            folder,
            scratch_root: cache.data_root().join("scratch"),
        }
    }
}

/// Lines are `schema NAME FINGERPRINT FORM`, `value NAME FIELD` and `refused NAME REASON`.
fn parse(output: &str) -> AvroReading {
    let mut reading = AvroReading::default();
    for line in output.lines() {
        let mut words = line.splitn(3, ' ');
        let (Some(what), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let name = name.to_owned();
        match what {
            "schema" => {
                let (fingerprint, form) = rest.split_once(' ').unwrap_or((rest, ""));
                let fingerprint = u64::from_str_radix(fingerprint, 16).unwrap_or_default();
                reading.schemas.push((name, fingerprint, form.to_owned()));
            }
            "value" => reading.values.push((name, Ok(rest.to_owned()))),
            "refused" => reading.values.push((name, Err(rest.to_owned()))),
            _ => {}
        }
    }
    reading
}

async fn build_java(staging: &Path) -> LocalResult<()> {
    write_file(&staging.join("pom.xml"), POM)?;
    write_file(&staging.join("AvroReader.java"), JAVA_PROGRAM)?;
    maven::copy_dependencies(staging).await?;
    let mut compiler = Command::new("java");
    compiler.args(["-cp", "lib/*", "org.eclipse.jdt.internal.compiler.batch.Main"]);
    compiler.args([
        "-17",
        "-cp",
        "lib/avro-1.12.1.jar",
        "-d",
        "classes",
        "AvroReader.java",
    ]);
    process::run(compiler.current_dir(staging)).await?;
    Ok(())
}

fn artifact_name(name: &str, sources: &[&str]) -> String {
    let hash = xxhash_rust::xxh3::xxh3_64(sources.concat().as_bytes());
    format!("{name}-{hash:016x}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unavailable(part: &'static str, reason: &str, remedy: &str) -> LocalError {
    LocalError::Unavailable {
        part,
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_says_is_read_line_by_line() {
        let reading = parse(
            "schema mark ac1b18e84991da86 {\"name\":\"a b\"}\nvalue mark pod\nrefused pod no such schema\nnoise\n",
        );
        assert_eq!(reading.schemas[0].1, 0xac1b_18e8_4991_da86);
        assert_eq!(reading.schemas[0].2, "{\"name\":\"a b\"}");
        assert_eq!(
            reading.values,
            [
                ("mark".to_owned(), Ok("pod".to_owned())),
                ("pod".to_owned(), Err("no such schema".to_owned()))
            ]
        );
    }
}
