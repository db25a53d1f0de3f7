//! Lists the files of `postgres/` for the crate: a migration, function or view belongs to it by standing in its folder.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Error},
    path::PathBuf,
};

/// The folders and the constants that `src/postgres/file.rs` makes of them.
const FOLDERS: [(&str, &str); 3] = [
    ("migrations", "MIGRATION_FILES"),
    ("functions", "FUNCTION_FILES"),
    ("views", "VIEW_FILES"),
];

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script by its environment where to write"
)]
fn main() -> io::Result<()> {
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| Error::other("OUT_DIR is not set"))?;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("postgres");
    let mut lists = String::new();
    for (folder, list) in FOLDERS {
        println!("cargo:rerun-if-changed=postgres/{folder}");
        let mut files: Vec<PathBuf> = fs::read_dir(root.join(folder))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
        files.sort();
        let mut entries = String::new();
        for path in files {
            let name = path.file_name().unwrap_or_default().display();
            writeln!(
                entries,
                "    SqlFile {{ name: \"{name}\", text: include_str!({:?}) }},",
                path.display().to_string()
            )
            .map_err(Error::other)?;
        }
        writeln!(
            lists,
            "/// `postgres/{folder}/*.sql`, by name.\npub(super) const {list}: &[SqlFile] = &[\n{entries}];"
        )
        .map_err(Error::other)?;
    }
    fs::write(PathBuf::from(out).join("sql_files.rs"), lists)
}
