//! A folder of queries that changes while it is in use: a bad file is refused, and the old rule goes on.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use fleetledger_schema::instant::Instant;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    catalogue::{self, Catalogue, QueryFile},
    connection::ReaderPool,
    metrics::QueryMetrics,
    parse,
    prepare::prepare,
    query::StoredQuery,
    refusal::QueryRefusal,
};

/// What is in use at one moment.
#[derive(Debug, Clone, Default)]
pub struct CurrentQueries {
    /// The queries in use.
    pub catalogue: Arc<Catalogue>,
    /// Files that are not, by path.
    pub refused: Vec<RefusedFile>,
}

/// A file that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedFile {
    /// The file.
    pub path: PathBuf,
    /// Everything that is wrong with it.
    pub refusals: Vec<QueryRefusal>,
    /// Since when it is refused.
    pub since: Instant,
    /// Version of the query that goes on in its place; `None` where there was none.
    pub version_in_use: Option<String>,
}

impl RefusedFile {
    /// Id of the query that it would be: the file name without folder and ending.
    #[must_use]
    pub fn rule(&self) -> &str {
        let stem = self.path.file_stem().and_then(|stem| stem.to_str());
        stem.unwrap_or_default()
    }

    /// Everything that is wrong with it, in one line.
    #[must_use]
    pub fn reason(&self) -> String {
        let lines: Vec<String> = self.refusals.iter().map(ToString::to_string).collect();
        lines.join("; ")
    }
}

/// A folder of queries that is followed.
#[derive(Debug)]
pub struct LiveCatalogue {
    root: PathBuf,
    reader: Option<ReaderPool>,
    metrics: Option<QueryMetrics>,
    current: watch::Sender<CurrentQueries>,
    /// SHA-256 of everything that was read last; `None` where it must be looked at again.
    seen_sha256: Option<String>,
}

impl LiveCatalogue {
    /// A folder whose queries are checked on the server of `reader` before they are used. Nothing is read yet.
    #[must_use]
    pub fn new(root: &Path, reader: Option<ReaderPool>, metrics: Option<QueryMetrics>) -> Self {
        Self {
            root: root.to_owned(),
            reader,
            metrics,
            current: watch::Sender::new(CurrentQueries::default()),
            seen_sha256: None,
        }
    }

    /// What is in use, and how to hear of changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<CurrentQueries> {
        self.current.subscribe()
    }

    /// Follows the folder until it is told to stop.
    pub async fn follow(mut self, every: Duration, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => self.reload(Instant::now()).await,
            };
        }
    }

    /// Looks at the folder once; true if what is in use or refused has changed.
    pub async fn reload(&mut self, now: Instant) -> bool {
        let before = self.current.borrow().clone();
        let sources = match catalogue::read(&self.root) {
            Ok(sources) => sources,
            Err(refusals) => {
                // A folder that cannot be read is not an empty one: everything goes on.
                self.seen_sha256 = None;
                self.count("unreadable");
                let refused = refused_files(&before, &refusals, now);
                return self.publish(before.catalogue, refused);
            }
        };
        let seen = fingerprint(&sources);
        if self.seen_sha256.as_ref() == Some(&seen) {
            return false;
        }
        let (queries, refusals, is_final) = self.check(&before.catalogue, &sources).await;
        self.seen_sha256 = is_final.then_some(seen);
        self.count(if refusals.is_empty() { "good" } else { "refused" });
        let refused = refused_files(&before, &refusals, now);
        self.publish(Arc::new(Catalogue::of(queries)), refused)
    }

    /// The queries to use from now on, what is wrong with the other files, and whether looking again would say the same.
    async fn check(
        &self,
        before: &Catalogue,
        sources: &[QueryFile],
    ) -> (Vec<Arc<StoredQuery>>, Vec<QueryRefusal>, bool) {
        let mut refusals = Vec::new();
        let (mut same, mut changed, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        for source in sources {
            match catalogue::parse_source(source) {
                Ok(query) => match before.get(query.id.as_str()).filter(|old| is_same(old, &query)) {
                    Some(old) => same.push(Arc::clone(old)),
                    None => changed.push(Arc::new(query)),
                },
                Err(found) => {
                    refusals.extend(found);
                    bad.push(source.path.clone());
                }
            }
        }
        let is_final = self.check_on_server(&mut changed, &mut bad, &mut refusals).await;
        // Of files that contradict each other the one that came later yields.
        let old = bad
            .iter()
            .filter_map(|path| before.get(path.file_stem()?.to_str()?));
        let mut queries: Vec<Arc<StoredQuery>> = old.cloned().collect();
        queries.extend(same);
        queries.extend(changed);
        loop {
            let conflicts = catalogue::conflicts(&queries);
            let Some(first) = conflicts.first() else { break };
            let Some(place) = queries.iter().rposition(|query| query.path == first.file) else {
                break;
            };
            let loser = queries.remove(place);
            let known = before
                .get(loser.id.as_str())
                .filter(|old| old.version != loser.version);
            if let Some(old) = known.filter(|old| queries.iter().all(|query| query.id != old.id)) {
                queries.insert(0, Arc::clone(old));
            }
            refusals.push(first.clone());
        }
        (queries, refusals, is_final)
    }

    /// Takes the queries out that the server refuses; false if it could not be asked.
    async fn check_on_server(
        &self,
        changed: &mut Vec<Arc<StoredQuery>>,
        bad: &mut Vec<PathBuf>,
        refusals: &mut Vec<QueryRefusal>,
    ) -> bool {
        let Some(reader) = self.reader.as_ref().filter(|_| !changed.is_empty()) else {
            return true;
        };
        let asked = std::mem::take(changed);
        match prepare(reader, &asked).await {
            Ok(outcomes) => {
                for (query, outcome) in asked.into_iter().zip(outcomes) {
                    match outcome {
                        Ok(_) => changed.push(query),
                        Err(found) => {
                            bad.push(query.path.clone());
                            refusals.extend(found);
                        }
                    }
                }
                true
            }
            Err(error) => {
                for query in asked {
                    bad.push(query.path.clone());
                    refusals.push(query.refusal("", format!("it could not be checked: {error}")));
                }
                false
            }
        }
    }

    fn publish(&self, catalogue: Arc<Catalogue>, refused: Vec<RefusedFile>) -> bool {
        if let Some(metrics) = &self.metrics {
            metrics
                .refused
                .set(i64::try_from(refused.len()).unwrap_or(i64::MAX));
            for kind in ["alert", "record", "rollup", "report"] {
                let count = catalogue.iter().filter(|query| query.kind.key() == kind).count();
                let gauge = metrics.loaded.with_label_values(&[kind]);
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        self.current.send_if_modified(|current| {
            let is_new = current.catalogue.version() != catalogue.version() || current.refused != refused;
            if is_new {
                log_changes(current, &refused);
                *current = CurrentQueries { catalogue, refused };
            }
            is_new
        })
    }

    fn count(&self, outcome: &str) {
        if let Some(metrics) = &self.metrics {
            metrics.reloads.with_label_values(&[outcome]).inc();
        }
    }
}

fn is_same(old: &StoredQuery, new: &StoredQuery) -> bool {
    old.version == new.version && old.path == new.path
}

fn fingerprint(sources: &[QueryFile]) -> String {
    let texts: Vec<String> = sources
        .iter()
        .map(|source| format!("{}\n{}\n", source.path.display(), parse::sha256(&source.text)))
        .collect();
    parse::sha256(&texts.concat())
}

/// What is refused, file by file; one that was refused for the same reasons before is so since then.
fn refused_files(before: &CurrentQueries, refusals: &[QueryRefusal], now: Instant) -> Vec<RefusedFile> {
    let mut files: BTreeMap<&Path, Vec<QueryRefusal>> = BTreeMap::new();
    for refusal in refusals {
        files.entry(&refusal.file).or_default().push(refusal.clone());
    }
    let file = |(path, refusals): (&Path, Vec<QueryRefusal>)| {
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let known = before
            .refused
            .iter()
            .find(|known| known.path == path && known.refusals == refusals);
        RefusedFile {
            path: path.to_owned(),
            refusals,
            since: known.map_or(now, |known| known.since),
            version_in_use: before.catalogue.get(stem).map(|old| old.version.clone()),
        }
    };
    files.into_iter().map(file).collect()
}

/// Each refusal is logged once, when it is new.
fn log_changes(before: &CurrentQueries, refused: &[RefusedFile]) {
    for file in refused {
        if before
            .refused
            .iter()
            .any(|known| known.path == file.path && known.refusals == file.refusals)
        {
            continue;
        }
        let goes_on = file.version_in_use.is_some();
        tracing::error!(file = %file.path.display(), goes_on, "a query is refused: {}", file.reason());
    }
    for file in &before.refused {
        if refused.iter().all(|still| still.path != file.path) {
            tracing::info!(file = %file.path.display(), "a query is no longer refused");
        }
    }
}
