//! Chains → COPY streams.

use std::collections::BTreeMap;

use fleetledger_schema::{
    READER_VERSION,
    kind::RecordKind,
    object_uid::ObjectUid,
    record::Record,
    row::{self, RowCell},
};

use crate::{
    batch::{ChainKey, CopyChunks},
    chain::{ContainerVersion, ObjectVersion, PriorState, VersionChain},
    copy::CopyStream,
    stage::{self, StageTable},
};

/// Rows for one stage.
#[derive(Debug)]
pub(crate) struct StageRows {
    pub(crate) stage: &'static StageTable,
    pub(crate) chunks: CopyChunks,
    /// Record of each row.
    pub(crate) records: Vec<usize>,
    /// True if an object has more than one version.
    pub(crate) chained: bool,
    /// Rows of objects that did not stand, as far as is known.
    pub(crate) fresh: usize,
}

impl StageRows {
    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.records.len()
    }
}

/// Streams of every stage that has rows: kinds first, containers last.
pub(crate) fn stages(chains: &BTreeMap<ChainKey, VersionChain>) -> Vec<StageRows> {
    let mut stages = Vec::new();
    for kind in RecordKind::ALL {
        let of_kind = chains.range((kind.number(), i32::MIN, ObjectUid::MIN)..);
        let of_kind = of_kind.take_while(|((number, _, _), _)| *number == kind.number());
        let mut writer = StageWriter::new(stage::of_kind(kind));
        for ((_, cluster_id, _), chain) in of_kind {
            writer.chain(*cluster_id, chain);
        }
        stages.extend(writer.finish());
    }
    let mut writer = StageWriter::new(stage::of_containers());
    for ((_, cluster_id, _), chain) in chains {
        for versions in chain.containers.values() {
            writer.containers(*cluster_id, chain, versions);
        }
    }
    stages.extend(writer.finish());
    stages
}

struct StageWriter {
    stage: &'static StageTable,
    stream: CopyStream,
    records: Vec<usize>,
    chained: bool,
    fresh: usize,
}

impl StageWriter {
    fn new(stage: &'static StageTable) -> Self {
        Self {
            stage,
            stream: CopyStream::new(),
            records: Vec::new(),
            chained: false,
            fresh: 0,
        }
    }

    fn finish(self) -> Option<StageRows> {
        (self.stream.rows() > 0).then(|| StageRows {
            stage: self.stage,
            chunks: self.stream.finish(),
            records: self.records,
            chained: self.chained,
            fresh: self.fresh,
        })
    }

    fn chain(&mut self, cluster_id: i32, chain: &VersionChain) {
        if chain.prior_state == Some(PriorState::Nothing) {
            self.fresh += chain.versions.len();
        }
        for (index, version) in chain.versions.iter().enumerate() {
            self.version(cluster_id, chain, index, version);
        }
    }

    fn version(&mut self, cluster_id: i32, chain: &VersionChain, index: usize, version: &ObjectVersion) {
        let content = &version.content;
        self.begin(cluster_id, version.record);
        let out = &mut self.stream;
        let cells = row::cells(&content.record);
        cells.iter().for_each(|cell| out.cell(cell));
        // In the order of META_COLUMNS, without what the merge fills.
        out.bigint(content.hash.hi);
        out.bigint(content.hash.lo);
        out.bigint(content.row_hash.hi);
        out.bigint(content.row_hash.lo);
        out.bigint(content.schema.number());
        out.smallint(READER_VERSION);
        match &content.unknown {
            Some(unknown) => out.json(unknown),
            None => out.null(),
        }
        out.timestamp(version.observed_at);
        out.timestamp(version.from_at);
        match chain.versions.get(index + 1) {
            Some(next) => out.timestamp(next.from_at),
            None => out.null(),
        }
        self.steer(
            index,
            chain.versions.len(),
            chain.forced,
            version.keeps_owner,
            chain.compare.as_deref(),
        );
        self.known_hash(index, chain, &cells);
    }

    fn containers(&mut self, cluster_id: i32, chain: &VersionChain, versions: &[ContainerVersion]) {
        for (index, version) in versions.iter().enumerate() {
            let Record::Pod(pod) = version.pod.as_ref() else {
                continue;
            };
            let Some(container) = pod.containers.get(version.position) else {
                continue;
            };
            self.begin(cluster_id, version.record);
            let out = &mut self.stream;
            let cells = row::container_cells(pod, container);
            cells.iter().for_each(|cell| out.cell(cell));
            out.bigint(version.hash.hi);
            out.bigint(version.hash.lo);
            out.smallint(READER_VERSION);
            out.timestamp(version.observed_at);
            out.timestamp(version.from_at);
            match versions.get(index + 1) {
                Some(next) => out.timestamp(next.from_at),
                None => out.null(),
            }
            let compare = chain.compare_containers.as_deref();
            self.steer(index, versions.len(), chain.forced, false, compare);
            self.known_hash(index, chain, &cells);
        }
    }

    /// The hash that the older reader of a row would give its next version: equal means that nothing it knew of changed.
    fn known_hash(&mut self, index: usize, chain: &VersionChain, cells: &[RowCell<'_>]) {
        let out = &mut self.stream;
        match chain.older_reader.filter(|_| index == 0) {
            Some(reader) => {
                let hash = row::row_hash_of_reader(self.stage.table, cells, reader);
                out.bigint(hash.hi);
                out.bigint(hash.lo);
            }
            None => {
                out.null();
                out.null();
            }
        }
    }

    fn begin(&mut self, cluster_id: i32, record: usize) {
        self.records.push(record);
        self.stream.row(stage::width(self.stage.table));
        self.stream.integer(cluster_id);
    }

    fn steer(
        &mut self,
        index: usize,
        steps: usize,
        forced: bool,
        keeps_owner: bool,
        compare: Option<&[&str]>,
    ) {
        self.chained |= steps > 1;
        let out = &mut self.stream;
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        out.integer(number(index + 1));
        out.integer(number(steps));
        out.boolean(forced);
        out.boolean(keeps_owner);
        match compare {
            Some(columns) => out.texts(columns.iter().copied()),
            None => out.null(),
        }
    }
}
