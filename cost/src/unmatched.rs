//! Classes of nodes and labels of pods that nothing in the ledger can match: they say nothing and cost nothing, and nobody
//! would miss them but by name.

use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::{
    definitions::CostDefinitions,
    errors::{CostError, while_},
};

/// What nothing matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnmatchedDefinitions {
    /// Classes and labels whose label no object of the ledger has: most likely no emitter sends it. A sentence each.
    pub unsent: Vec<String>,
    /// Classes that no node matches now, or that no node is left for: a pool may be scaled to nothing. A sentence each.
    pub empty: Vec<String>,
    /// What the ledger has and cost does not count: virtual nodes and accelerators under other names. A sentence each.
    pub uncounted: Vec<String>,
}

impl UnmatchedDefinitions {
    /// All sentences.
    #[must_use]
    pub fn into_sentences(mut self) -> Vec<String> {
        self.unsent.append(&mut self.empty);
        self.unsent.append(&mut self.uncounted);
        self.unsent
    }
}

const HINT: &str = "an emitter sends only the labels that its emit.labels names";

/// Compares these definitions with the ledger, and the labels that cost is kept by. A ledger without nodes says nothing of
/// classes, one without pods nothing of labels.
///
/// # Errors
/// The database's.
pub async fn of_definitions(
    client: &Client,
    book: &CostDefinitions,
) -> Result<UnmatchedDefinitions, CostError> {
    let classes = book.sheets.iter().enumerate().flat_map(|(number, sheet)| {
        sheet.classes.iter().enumerate().map(move |(position, class)| {
            json!({
                "sheet_number": number,
                "sheet": sheet.sheet,
                "position": position,
                "class": class.class,
                "datacenters": sheet.datacenters,
                "instance_types": class.instance_types,
                "labels": class.labels,
            })
        })
    });
    compare(client, &Value::Array(classes.collect())).await
}

/// Compares the price sheets in force with the ledger, and the labels that cost is kept by.
///
/// # Errors
/// The database's.
pub async fn of_ledger(client: &Client) -> Result<UnmatchedDefinitions, CostError> {
    let row = client
        .query_one(READ_CLASSES_IN_FORCE, &[])
        .await
        .map_err(while_("read the classes of the current price sheets"))?;
    compare(client, &row.get(0)).await
}

async fn compare(client: &Client, classes: &Value) -> Result<UnmatchedDefinitions, CostError> {
    let mut unmatched = UnmatchedDefinitions::default();
    let rows = client
        .query(LIST_UNMATCHED_CLASSES, &[classes])
        .await
        .map_err(while_("compare classes with nodes"))?;
    for row in rows {
        let (sheet, class): (String, String) = (row.get(0), row.get(1));
        let unsent: Vec<String> = row.get(3);
        let name = format!("class {class} of price sheet {sheet}");
        if !unsent.is_empty() {
            let labels = unsent.join(", ");
            unmatched.unsent.push(format!(
                "{name}: no node in the ledger has the label {labels}; {HINT}"
            ));
        } else if row.get(2) {
            unmatched.empty.push(format!(
                "{name}: every node that it matches belongs to an earlier class"
            ));
        } else {
            unmatched
                .empty
                .push(format!("{name}: no node in the ledger matches it"));
        }
    }
    let rows = client
        .query(LIST_UNMATCHED_ROLLUP_LABELS, &[])
        .await
        .map_err(while_("compare cost.rollup_labels with pods"))?;
    for row in rows {
        let label: String = row.get(0);
        let sentence = format!("cost.rollup_labels: no pod in the ledger has the label {label}; {HINT}");
        unmatched.unsent.push(sentence);
    }
    unmatched.uncounted = uncounted(client).await?;
    Ok(unmatched)
}

/// Clusters with virtual nodes, and resources of nodes that have no price.
async fn uncounted(client: &Client) -> Result<Vec<String>, CostError> {
    let mut sentences = Vec::new();
    let rows = client
        .query(LIST_VIRTUAL_NODES, &[&MOST_SENTENCES])
        .await
        .map_err(while_("look for virtual nodes"))?;
    for row in rows {
        let (datacenter, cluster, nodes): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
        sentences.push(format!(
            "cluster {datacenter}/{cluster}: virtual nodes ({nodes}) are priced by a declared capacity, not \
             a real one; give them a class of their own, or a price of 0"
        ));
    }
    let rows = client
        .query(LIST_RESOURCES_WITHOUT_PRICE, &[&MOST_SENTENCES])
        .await
        .map_err(while_("look for resources without a price"))?;
    for row in rows {
        let (datacenter, cluster): (String, String) = (row.get(0), row.get(1));
        let (resource, amount, nodes): (String, String, i64) = (row.get(2), row.get(3), row.get(4));
        let nodes = match nodes {
            1 => "1 node".to_owned(),
            several => format!("{several} nodes"),
        };
        sentences.push(format!(
            "cluster {datacenter}/{cluster}: {resource} ({amount} on {nodes}) is not counted as a GPU, \
             because its name does not end in /gpu: it has no price of its own and is charged to nobody; the \
             price of the node covers it"
        ));
    }
    Ok(sentences)
}

/// Sentences of one kind at most.
const MOST_SENTENCES: i64 = 20;

const LIST_VIRTUAL_NODES: &str = "
    select datacenter, cluster, count(*) from fleet.node where is_virtual group by 1, 2 order by 3 desc, 1, 2 limit $1";

/// Extended resources have a domain; what has none is Kubernetes' own (huge pages, volumes). What nothing was found for
/// is listed as 0.
const LIST_RESOURCES_WITHOUT_PRICE: &str = "
    select n.datacenter, n.cluster, r.resource, sum(r.amount::numeric)::text, count(*)
    from fleet.node as n
    cross join lateral jsonb_each_text(n.other_allocatable) as r (resource, amount)
    where r.resource like '%/%' and r.amount ~ '^[0-9]{1,30}$' and r.amount !~ '^0+$'
    group by 1, 2, 3
    order by 1, 2, 3
    limit $1";

const READ_CLASSES_IN_FORCE: &str = "
    select coalesce(jsonb_agg(jsonb_build_object('sheet_number', p.sheet_id, 'sheet', p.sheet, 'position', p.position,
        'class', p.node_class, 'datacenters', p.datacenters, 'instance_types', p.instance_types, 'labels', p.labels)), '[]')
    from fleet.price as p
    where p.superseded_at is null and p.valid_from <= now() and coalesce(p.valid_to, 'infinity') > now()";

/// A class counts as matched where it is the first of its sheet that a node matches. Whether there was no node for it, and
/// which of its labels no node has.
const LIST_UNMATCHED_CLASSES: &str = "
    with class as (
        select * from jsonb_to_recordset($1::jsonb) as c (sheet_number integer, sheet text, position integer, class text,
            datacenters jsonb, instance_types jsonb, labels jsonb)
    ), matched as materialized (
        select c.sheet_number, c.position, n.uid
        from class as c
        join fleet.node as n
            on (c.datacenters is null or c.datacenters ? n.datacenter)
           and (c.instance_types = '[]' or c.instance_types ? (n.labels ->> 'node.kubernetes.io/instance-type'))
           and n.labels @> c.labels
    ), taken as (
        select distinct on (m.sheet_number, m.uid) m.sheet_number, m.position
        from matched as m
        order by m.sheet_number, m.uid, m.position
    )
    select c.sheet, c.class,
        exists (select from matched as m where m.sheet_number = c.sheet_number and m.position = c.position),
        array(
            select l.name from jsonb_object_keys(c.labels) as l (name)
            where not exists (select from fleet.node as n where n.labels ? l.name)
            order by l.name
        )
    from class as c
    where exists (select from fleet.node)
      and not exists (select from taken as t where t.sheet_number = c.sheet_number and t.position = c.position)
    order by c.sheet_number, c.position";

const LIST_UNMATCHED_ROLLUP_LABELS: &str = "
    select l.name
    from unnest(fleet.cost_rollup_labels()) as l (name)
    where exists (select from fleet.pod)
      and not exists (select from fleet.pod as p where p.labels ? l.name)
    order by l.name";
