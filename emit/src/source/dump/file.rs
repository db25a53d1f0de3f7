//! Files of a dump: where they are, and the documents in them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize as _;
use serde_json::Value as Json;
use serde_yaml_ng::Value as Yaml;

use super::unreadable;
use crate::error::EmitError;

/// A document as JSON, or what it is instead.
pub(super) type DumpDocument = Result<Json, &'static str>;

/// A file itself, or every .json, .yaml and .yml file of a folder and the folders below it. Folders behind symbolic links
/// and hidden ones are left out: they show the same files again.
pub(super) fn find(place: &Path) -> Result<Vec<PathBuf>, EmitError> {
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let mut files = Vec::new();
    let mut folders = vec![place.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))? {
            let entry = entry.map_err(|error| unreadable(&folder, error))?;
            let (path, hidden) = (
                entry.path(),
                entry.file_name().as_encoded_bytes().starts_with(b"."),
            );
            let file_type = entry.file_type().map_err(|error| unreadable(&path, error))?;
            if file_type.is_dir() {
                folders.extend((!hidden).then_some(path));
            } else if !hidden && has_known_extension(&path) && path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn has_known_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        ["json", "yaml", "yml"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    })
}

/// Every document of a file, whatever its name says: JSON is tried first, because YAML takes longer to read.
///
/// # Errors
/// The file is neither.
pub(super) fn documents(path: &Path) -> Result<Vec<DumpDocument>, EmitError> {
    let bytes = fs::read(path).map_err(|error| unreadable(path, error))?;
    let text = decode(bytes).map_err(|why| unreadable(path, why))?;
    let json = serde_json::Deserializer::from_str(&text)
        .into_iter::<Json>()
        .collect::<Result<Vec<Json>, _>>();
    let json_error = match json {
        Ok(documents) => return Ok(documents.into_iter().map(Ok).collect()),
        Err(error) => error,
    };
    let mut documents = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(&text) {
        let yaml = Yaml::deserialize(document).map_err(|error| {
            let why =
                format!("it is neither JSON ({json_error}) nor YAML ({error}); write it again or remove it");
            unreadable(path, why)
        })?;
        if !yaml.is_null() {
            documents.push(serde_json::to_value(yaml).map_err(|_| "YAML that JSON cannot express"));
        }
    }
    Ok(documents)
}

/// Text in UTF-8 or, as PowerShell's `>` writes it, in UTF-16 with a byte order mark.
fn decode(bytes: Vec<u8>) -> Result<String, String> {
    let units = |from: fn([u8; 2]) -> u16| -> Vec<u16> {
        let pairs = bytes.get(2..).unwrap_or_default().chunks_exact(2);
        pairs.filter_map(|pair| pair.try_into().ok().map(from)).collect()
    };
    let wide = match bytes.as_slice() {
        [0xff, 0xfe, ..] => Some(units(u16::from_le_bytes)),
        [0xfe, 0xff, ..] => Some(units(u16::from_be_bytes)),
        _ => None,
    };
    let not_text = |error: &dyn std::fmt::Display| format!("it is neither JSON nor YAML: {error}");
    let text = match wide {
        Some(units) => String::from_utf16(&units).map_err(|error| not_text(&error))?,
        None => String::from_utf8(bytes).map_err(|error| not_text(&error))?,
    };
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}
