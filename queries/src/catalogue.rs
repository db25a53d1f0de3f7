//! All stored queries of a folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    alert::AlertRule,
    parse,
    period::Period,
    query::{QueryId, QueryKind, StoredQuery},
    record::RecordRule,
    refusal::{FilePosition, QueryRefusal},
    report::ReportRule,
    rollup::{RollupRule, RollupTable},
};

/// Folders and what belongs into each.
const FOLDERS: [(&str, &str); 4] = [
    ("alerts", "alert"),
    ("metrics", "record"),
    ("rollups", "rollup"),
    ("reports", "report"),
];

/// All stored queries of a folder, each by its id.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    queries: BTreeMap<QueryId, Arc<StoredQuery>>,
    version: String,
}

/// Queries of one kind that are evaluated together.
#[derive(Debug, Clone)]
pub struct QueryGroup {
    /// Its name.
    pub name: String,
    /// Distance of two slots.
    pub interval: Period,
    /// Its queries, by id.
    pub queries: Vec<Arc<StoredQuery>>,
}

/// A file as it was read.
pub(crate) struct QueryFile {
    pub(crate) path: PathBuf,
    /// Folder below the root, the root's own name at the top.
    pub(crate) folder: String,
    pub(crate) text: String,
}

/// Loads every `.sql` below a folder (or one file).
///
/// # Errors
/// Everything that is wrong with any of them, by file and line.
pub fn load(root: &Path) -> Result<Catalogue, Vec<QueryRefusal>> {
    match load_good(root)? {
        (catalogue, refusals) if refusals.is_empty() => Ok(catalogue),
        (_, refusals) => Err(refusals),
    }
}

/// Loads every `.sql` below a folder (or one file) with which nothing is wrong, and everything that is wrong with the others.
///
/// # Errors
/// Files or folders that cannot be read.
pub fn load_good(root: &Path) -> Result<(Catalogue, Vec<QueryRefusal>), Vec<QueryRefusal>> {
    let (mut queries, mut refusals) = parse_all(&read(root)?);
    let conflicts = conflicts(&queries);
    queries.retain(|query| conflicts.iter().all(|refusal| refusal.file != query.path));
    refusals.extend(conflicts);
    Ok((Catalogue::of(queries), refusals))
}

/// Queries that a server can be asked about, though something may be wrong with their templates.
#[derive(Debug, Clone, Default)]
pub struct UncheckedCatalogue {
    /// The queries.
    pub catalogue: Catalogue,
    /// What is wrong with templates.
    pub templates: Vec<QueryRefusal>,
}

/// Loads every `.sql` below a folder (or one file) to ask a server about it, with what is wrong with templates apart.
///
/// # Errors
/// Everything that is wrong with any of them, by file and line, where it is more than templates.
pub fn load_unchecked(root: &Path) -> Result<UncheckedCatalogue, Vec<QueryRefusal>> {
    let (mut queries, mut templates, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    for source in &read(root)? {
        let parsed = parse::parse_apart(&source.path, &source.folder, &source.text);
        match parsed.and_then(|(query, found)| Ok((in_its_folder(query, source)?, found))) {
            Ok((query, found)) => {
                queries.push(Arc::new(query));
                templates.extend(found);
            }
            Err(found) => refusals.extend(found),
        }
    }
    refusals.extend(conflicts(&queries));
    if refusals.is_empty() {
        let catalogue = Catalogue::of(queries);
        return Ok(UncheckedCatalogue { catalogue, templates });
    }
    refusals.extend(templates);
    Err(refusals)
}

impl Catalogue {
    /// The catalogue of these queries, whose ids differ.
    #[must_use]
    pub fn of(queries: Vec<Arc<StoredQuery>>) -> Self {
        let queries: BTreeMap<QueryId, Arc<StoredQuery>> = queries
            .into_iter()
            .map(|query| (query.id.clone(), query))
            .collect();
        let lines: Vec<String> = queries
            .values()
            .map(|query| format!("{} {}\n", query.id, query.version))
            .collect();
        Self {
            version: parse::sha256(&lines.concat()),
            queries,
        }
    }

    /// SHA-256 over all ids and versions: two evaluators with the same one hold the same rules.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// A query by its id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<StoredQuery>> {
        self.queries.get(&QueryId::parse(id)?)
    }

    /// All queries, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<StoredQuery>> {
        self.queries.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queries.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    /// All alerts.
    pub fn alerts(&self) -> impl Iterator<Item = (&Arc<StoredQuery>, &Arc<AlertRule>)> {
        self.iter().filter_map(|query| Some((query, query.alert()?)))
    }

    /// All metrics.
    pub fn records(&self) -> impl Iterator<Item = (&Arc<StoredQuery>, &Arc<RecordRule>)> {
        self.iter().filter_map(|query| Some((query, query.record()?)))
    }

    /// All rollups.
    pub fn rollups(&self) -> impl Iterator<Item = (&Arc<StoredQuery>, &Arc<RollupRule>)> {
        self.iter().filter_map(|query| Some((query, query.rollup()?)))
    }

    /// All reports.
    pub fn reports(&self) -> impl Iterator<Item = (&Arc<StoredQuery>, &Arc<ReportRule>)> {
        self.iter().filter_map(|query| Some((query, query.report()?)))
    }

    /// Groups of alerts, by name.
    #[must_use]
    pub fn alert_groups(&self) -> Vec<QueryGroup> {
        self.groups(|kind| matches!(kind, QueryKind::Alert(_)))
    }

    /// Groups of metrics, by name.
    #[must_use]
    pub fn record_groups(&self) -> Vec<QueryGroup> {
        self.groups(|kind| matches!(kind, QueryKind::Record(_)))
    }

    fn groups(&self, belongs: impl Fn(&QueryKind) -> bool) -> Vec<QueryGroup> {
        let mut groups: BTreeMap<&str, QueryGroup> = BTreeMap::new();
        for query in self.iter().filter(|query| belongs(&query.kind)) {
            let Some(schedule) = query.schedule() else {
                continue;
            };
            let group = groups.entry(&schedule.group).or_insert_with(|| QueryGroup {
                name: schedule.group.clone(),
                interval: schedule.interval,
                queries: Vec::new(),
            });
            group.queries.push(Arc::clone(query));
        }
        groups.into_values().collect()
    }
}

/// Reads every `.sql` below `root`, in order of their paths. Hidden files and folders are passed over.
pub(crate) fn read(root: &Path) -> Result<Vec<QueryFile>, Vec<QueryRefusal>> {
    let mut sources = Vec::new();
    let mut refusals = Vec::new();
    let top = match root.is_dir() {
        true => root,
        false => root.parent().unwrap_or(root),
    };
    walk(root, &mut |path| match std::fs::read_to_string(path) {
        Ok(text) => {
            let folder = path.parent().and_then(Path::file_name).or(top.file_name());
            let folder = folder
                .and_then(|name| name.to_str())
                .unwrap_or("default")
                .to_owned();
            let path = path.to_owned();
            sources.push(QueryFile { path, folder, text });
        }
        Err(error) => refusals.push(unreadable(path, &error)),
    })
    .map_err(|refusal| vec![refusal])?;
    match refusals.is_empty() {
        true => Ok(sources),
        false => Err(refusals),
    }
}

fn walk(path: &Path, found: &mut impl FnMut(&Path)) -> Result<(), QueryRefusal> {
    if !path.is_dir() {
        if path.extension().is_some_and(|extension| extension == "sql") {
            found(path);
        } else if !path.exists() {
            return Err(QueryRefusal::new(
                path,
                FilePosition::line(1),
                "file or folder not found",
            ));
        }
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let is_hidden = |path: &Path| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    paths
        .iter()
        .filter(|path| !is_hidden(path))
        .try_for_each(|path| walk(path, found))
}

fn unreadable(path: &Path, error: &std::io::Error) -> QueryRefusal {
    QueryRefusal::new(path, FilePosition::line(1), format!("cannot be read: {error}"))
}

/// Parses files one by one; good ones and everything that is wrong with the others.
pub(crate) fn parse_all(sources: &[QueryFile]) -> (Vec<Arc<StoredQuery>>, Vec<QueryRefusal>) {
    let mut queries = Vec::new();
    let mut refusals = Vec::new();
    for source in sources {
        match parse_source(source) {
            Ok(query) => queries.push(Arc::new(query)),
            Err(found) => refusals.extend(found),
        }
    }
    (queries, refusals)
}

/// Parses one file, and sees that it lies in the folder of its kind.
pub(crate) fn parse_source(source: &QueryFile) -> Result<StoredQuery, Vec<QueryRefusal>> {
    in_its_folder(parse::parse(&source.path, &source.folder, &source.text)?, source)
}

fn in_its_folder(query: StoredQuery, source: &QueryFile) -> Result<StoredQuery, Vec<QueryRefusal>> {
    let key = query.kind.key();
    let folders = source.path.iter().filter_map(|part| part.to_str());
    let folder = folders
        .filter_map(|part| FOLDERS.iter().find(|(folder, _)| *folder == part))
        .next_back();
    match folder {
        Some((folder, kind)) if *kind != key => {
            let right = FOLDERS
                .iter()
                .find(|(_, kind)| *kind == key)
                .map_or("", |(folder, _)| folder);
            let refusal = query.refusal(key, format!("a file with `{key}` is in folder {folder}"));
            Err(vec![refusal.fix(format!("move it to {right}"))])
        }
        _ => Ok(query),
    }
}

/// What is wrong between files, told of the later one.
pub(crate) fn conflicts(queries: &[Arc<StoredQuery>]) -> Vec<QueryRefusal> {
    let mut refusals = Vec::new();
    let mut ids: BTreeMap<&QueryId, &StoredQuery> = BTreeMap::new();
    let mut names: BTreeMap<(&str, &str), &StoredQuery> = BTreeMap::new();
    let mut groups: BTreeMap<(&str, &str), &StoredQuery> = BTreeMap::new();
    let mut tables: BTreeMap<&str, &StoredQuery> = BTreeMap::new();
    for query in queries {
        if let Some(first) = ids.insert(&query.id, query) {
            let what = format!(
                "another query is named `{}` too: {}",
                query.id,
                first.path.display()
            );
            refusals.push(
                query
                    .refusal("", what)
                    .fix("the file name identifies a query; rename one of the files"),
            );
        }
        if let Some(first) = names.insert((query.kind.key(), query.name()), query) {
            let what = format!("`{}` is also the name of {}", query.name(), first.path.display());
            refusals.push(query.refusal("", what).fix("rename it"));
        }
        if let Some(RollupTable::Own(table)) = query.rollup().map(|rule| &rule.into)
            && let Some(first) = tables.insert(table, query)
        {
            let what = format!("table {table} is also filled by {}", first.path.display());
            refusals.push(query.refusal("into", what).fix("a table belongs to one rollup"));
        }
        let Some(schedule) = query.schedule() else {
            continue;
        };
        let first = groups.entry((query.kind.key(), &schedule.group)).or_insert(query);
        if let Some(of_group) = first
            .schedule()
            .filter(|of_group| of_group.interval != schedule.interval)
        {
            let what = format!(
                "group {} has an interval of {} ({}), but this file has one of {}",
                schedule.group,
                of_group.interval,
                first.path.display(),
                schedule.interval
            );
            refusals.push(query.refusal("interval", what).fix("name another `group`"));
        }
    }
    for query in queries {
        let former = query.alert().map_or(&[][..], |rule| &rule.renamed_from[..]);
        for id in former.iter().filter(|id| ids.contains_key(id)) {
            let what = format!("`renamed_from` names `{id}`, which still exists");
            refusals.push(
                query
                    .refusal("renamed_from", what)
                    .fix("remove one of the two files"),
            );
        }
    }
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALERT: &str = "/*---
alert: NAME
labels: {severity: info}
annotations: {summary: s, runbook: r}
---*/
select 1
";

    fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn alert(name: &str, more: &str) -> String {
        ALERT
            .replace("NAME", name)
            .replace("---*/", &format!("{more}---*/"))
    }

    fn refusals(files: &[(&str, String)]) -> Vec<String> {
        let folder = folder(files);
        let root = format!("{}/", folder.path().display());
        let refusals = load(folder.path()).err().unwrap_or_default();
        refusals
            .iter()
            .map(|refusal| refusal.to_string().replace(&root, ""))
            .collect()
    }

    #[test]
    fn a_folder_becomes_groups() {
        let files = [
            ("alerts/a.sql", alert("A", "")),
            ("alerts/b.sql", alert("B", "group: slow\ninterval: 5m\n")),
            ("alerts/nodes/c.sql", alert("C", "")),
            ("alerts/a.test.yaml", "no sql".to_owned()),
            ("alerts/.hidden/d.sql", "broken".to_owned()),
        ];
        let folder = folder(&files);
        let catalogue = load(folder.path()).unwrap();
        let groups = catalogue.alert_groups();
        let names: Vec<(&str, usize)> = groups
            .iter()
            .map(|group| (group.name.as_str(), group.queries.len()))
            .collect();
        assert_eq!(names, [("alerts", 1), ("nodes", 1), ("slow", 1)]);
        assert_eq!(groups[2].interval, Period::from_mins(5));
        assert_eq!(catalogue.get("b").unwrap().name(), "B");
        assert_eq!(load(&folder.path().join("alerts/a.sql")).unwrap().len(), 1);
    }

    #[test]
    fn the_version_follows_every_change_of_any_file() {
        let first = folder(&[("a.sql", alert("A", "")), ("b.sql", alert("B", ""))]);
        let version = load(first.path()).unwrap().version().to_owned();
        assert_eq!(load(first.path()).unwrap().version(), version);
        std::fs::write(first.path().join("b.sql"), alert("B", "for: 1m\n")).unwrap();
        assert_ne!(load(first.path()).unwrap().version(), version);
    }

    #[test]
    fn files_that_contradict_each_other_are_refused() {
        let twice = refusals(&[
            ("alerts/a.sql", alert("A", "")),
            ("alerts/x/a.sql", alert("B", "")),
        ]);
        assert!(
            twice[0].starts_with("alerts/x/a.sql:2: another query is named `a` too"),
            "{twice:?}"
        );
        let named = refusals(&[("alerts/a.sql", alert("A", "")), ("alerts/b.sql", alert("A", ""))]);
        assert!(
            named[0].starts_with("alerts/b.sql:2: `A` is also the name of"),
            "{named:?}"
        );
        let group = refusals(&[
            ("alerts/a.sql", alert("A", "")),
            ("alerts/b.sql", alert("B", "interval: 2m\n")),
        ]);
        assert!(
            group[0].starts_with("alerts/b.sql:5: group alerts has an interval of 1m"),
            "{group:?}"
        );
        let moved = refusals(&[
            ("alerts/a.sql", alert("A", "")),
            ("alerts/b.sql", alert("B", "renamed_from: [a]\n")),
        ]);
        assert!(
            moved[0].starts_with("alerts/b.sql:5: `renamed_from` names `a`"),
            "{moved:?}"
        );
        let folder = refusals(&[("metrics/a.sql", alert("A", ""))]);
        assert!(
            folder[0].starts_with("metrics/a.sql:2: a file with `alert` is in folder metrics"),
            "{folder:?}"
        );
    }

    #[test]
    fn every_bad_file_is_named_not_only_the_first() {
        let all = refusals(&[
            ("a.sql", "select 1".into()),
            ("b.sql", alert("B", "fro: 1\n")),
            ("c.sql", alert("C", "")),
        ]);
        assert_eq!(all.len(), 2);
        assert!(
            all[0].starts_with("a.sql:1:") && all[1].starts_with("b.sql:5:"),
            "{all:?}"
        );
        assert!(
            load(Path::new("/no/such/folder")).unwrap_err()[0]
                .to_string()
                .contains("file or folder not found")
        );
    }
}
