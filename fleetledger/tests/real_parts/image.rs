//! The container image: its layout is what it says, and the program in it works where there is nothing else.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use crate::support::{migrated, postgres};

const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/release/image.sh");
/// The user within the image.
const USER: &str = "65532:65532";

struct ImageFixture {
    folder: tempfile::TempDir,
}

impl ImageFixture {
    fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = run(Command::new(BUILD)
            .arg(env!("CARGO_BIN_EXE_fleetledger"))
            .arg(folder.path().join("layout")));
        assert!(output.status.success(), "{output:?}");
        println!("{}", String::from_utf8_lossy(&output.stdout).trim_end());
        Self { folder }
    }

    fn blob(&self, descriptor: &Value) -> PathBuf {
        let digest = descriptor["digest"].as_str().unwrap();
        let sum = digest.strip_prefix("sha256:").unwrap();
        let file = self.folder.path().join("layout/blobs/sha256").join(sum);
        assert_eq!(sha256(&file), sum, "the digest of a blob");
        assert_eq!(
            fs::metadata(&file).unwrap().size(),
            descriptor["size"].as_u64().unwrap(),
            "the size of a blob"
        );
        file
    }

    fn document(&self, descriptor: &Value) -> Value {
        serde_json::from_slice(&fs::read(self.blob(descriptor)).unwrap()).unwrap()
    }

    /// Lays one layer over the other, as a runtime does; digests of what is packed are those of the configuration.
    fn unpack(&self) -> (PathBuf, Value) {
        let layout = self.folder.path().join("layout");
        let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
        let manifest = self.document(&index["manifests"][0]);
        let config = self.document(&manifest["config"]);
        let root = self.folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        let plain = config["rootfs"]["diff_ids"].as_array().unwrap();
        assert_eq!(layers.len(), plain.len());
        for (layer, plain) in layers.iter().zip(plain) {
            let packed = self.blob(layer);
            let tar = self.folder.path().join("layer.tar");
            let unzipped = run(Command::new("gzip").arg("-dc").arg(&packed));
            fs::write(&tar, unzipped.stdout).unwrap();
            assert_eq!(format!("sha256:{}", sha256(&tar)), plain.as_str().unwrap());
            let unpacked = run(Command::new("tar").args(["-xf"]).arg(&tar).arg("-C").arg(&root));
            assert!(unpacked.status.success(), "{unpacked:?}");
        }
        (root, config)
    }
}

fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// A command whose root folder is the image's. Who is not root may enter one as the root of a namespace of their own.
fn enter(root: &Path) -> Command {
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        let mut chroot = Command::new("chroot");
        chroot.arg(format!("--userspec={USER}")).arg(root);
        return chroot;
    }
    let mut unshare = Command::new("unshare");
    unshare
        .arg("--map-root-user")
        .arg(format!("--root={}", root.display()));
    unshare
}

fn sha256(file: &Path) -> String {
    let output = run(Command::new("sha256sum").arg(file));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').next().unwrap().to_owned()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn the_image_is_whole_small_and_its_program_checks_rules_on_a_server() {
    let image = ImageFixture::build();
    let (root, config) = image.unpack();
    assert_eq!(config["config"]["User"], USER);
    assert_eq!(
        config["config"]["Entrypoint"],
        serde_json::json!(["/usr/bin/fleetledger"])
    );
    let files = files_below(&root);
    let is_bad = |file: &&PathBuf| {
        let mode = file.symlink_metadata().unwrap().mode();
        !file.is_symlink() && mode & 0o6022 != 0
    };
    let bad: Vec<_> = files.iter().filter(is_bad).collect();
    assert!(bad.is_empty(), "setuid, or writable by others: {bad:?}");
    let programs = files.iter().filter(|file| file.starts_with(root.join("usr/bin")));
    assert_eq!(programs.count(), 1, "one program, and no shell");
    assert!(root.join("etc/fleetledger/runbooks/node-not-ready.md").is_file());

    let server = postgres().await;
    migrated(&server, "ledger").await;
    let reader = format!("postgres://fleetledger_reader@127.0.0.1:{}/ledger", server.port());
    let inside = |arguments: &[&str]| {
        let output = run(enter(&root)
            .arg("/usr/bin/fleetledger")
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"));
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
        (output.status.code(), said.concat())
    };
    let (code, said) = inside(&["--version"]);
    assert_eq!(
        (code, said.starts_with("fleetledger ")),
        (Some(0), true),
        "{said}"
    );
    let queries = "/etc/fleetledger/queries";
    let runbooks = "/etc/fleetledger/runbooks";
    let (code, said) = inside(&[
        "rules",
        "check",
        queries,
        "--runbooks",
        runbooks,
        "--postgres",
        &reader,
    ]);
    assert!(
        code == Some(0) && said.contains("files are good"),
        "{code:?} {said}"
    );
}

#[test]
fn the_archive_has_the_binary_completions_man_pages_and_what_is_deployed() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("fleetledger.tar.gz");
    let packed = run(Command::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/release/archive.sh"
    ))
    .arg(env!("CARGO_BIN_EXE_fleetledger"))
    .arg(&archive));
    assert!(packed.status.success(), "{packed:?}");
    println!("{}", String::from_utf8_lossy(&packed.stdout).trim_end());
    let listed = run(Command::new("tar").arg("-tzf").arg(&archive));
    let names = String::from_utf8(listed.stdout).unwrap();
    for wanted in [
        "/bin/fleetledger",
        "/completions/fleetledger.bash",
        "/completions/_fleetledger",
        "/man/man1/fleetledger-rules-test.1",
        "/queries/alerts/node-not-ready.sql",
        "/queries/alerts/node-not-ready.test.yaml",
        "/runbooks/node-not-ready.md",
        "/deploy/systemd/fleetledger-ingest.service",
        "/deploy/kubernetes/emit-deployment.yaml",
        "/LICENSE",
    ] {
        assert!(
            names.lines().any(|name| name.ends_with(wanted)),
            "{wanted}: {names}"
        );
    }
}
