//! What clients that were written for OpenCost ask, over HTTP, is answered in the types that they read.

use axum::Extension;
use deadpool_postgres::{Manager, Pool};
use fleetledger_cost::http::{CostApi, CostCaller, router};
use fleetledger_local::{ArtifactCache, opencost_client, skip::unless_available};
use fleetledger_queries::ReaderPool;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_postgres::NoTls;

use crate::fleet::RatingFixture;

/// The API on a port, over two days of a cluster.
struct OpencostFixture {
    _fleet: RatingFixture,
    /// Ends with the fixture.
    _server: JoinSet<std::io::Result<()>>,
    address: std::net::SocketAddr,
}

impl OpencostFixture {
    async fn new() -> Self {
        let fleet = RatingFixture::new().await;
        fleet
            .run(
                "select test.cluster('dfw', 'a');
                 insert into ledger.setting (name, value) values ('cost.rollup_labels', '[\"app.kubernetes.io/name\"]') on conflict (name) do update set value = excluded.value;
                 select test.node(1, 'n1', '2026-03-01', null, 10, 40);
                 select test.pod(1, 'u1', 'shop', 'n1', '2026-03-01', null, 3, 5, extra => '{\"labels\": {\"app.kubernetes.io/name\": \"web\", \"tier\": \"x\"}}');
                 select test.pod(1, 'u2', 'data', 'n1', '2026-03-01', null, 2, 9, extra => '{\"workload_kind\": \"StatefulSet\", \"workload\": \"db\"}')",
            )
            .await;
        fleet.rate("2026-03-02T00:00:00Z", 48).await;
        let client = Manager::new(fleet.url().parse().unwrap(), NoTls);
        let api = CostApi {
            pool: Pool::builder(client).max_size(2).build().unwrap(),
            reader: ReaderPool::new(&fleet.connector("fleetledger_reader"), 2).unwrap(),
        };
        let caller = CostCaller {
            name: "test".to_owned(),
            may_apply: false,
        };
        let (routes, _) = router(api).split_for_parts();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes.layer(Extension(caller))).await });
        Self {
            _fleet: fleet,
            _server: server,
            address,
        }
    }

    /// Status and body of a GET.
    async fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    async fn sets(&self, path: &str) -> Vec<serde_json::Map<String, Value>> {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (answer["code"].as_u64(), answer["status"].as_str()),
            (Some(200), Some("success"))
        );
        let sets = answer["data"].as_array().unwrap().iter();
        sets.map(|set| set.as_object().unwrap().clone()).collect()
    }
}

/// The window of both days, as clients write it into a URL.
const WINDOW: &str = "window=2026-03-02T00%3A00%3A00Z%2C2026-03-03T23%3A59%3A59Z";

/// Requests as the clients' sources build them: who sends it, the request, and the names in its sets.
const REQUESTS: &[(&str, &str, &[&[&str]])] = &[
    (
        "kubectl-cost: cost namespace",
        "/model/allocation?accumulate=true&aggregate=cluster%2Cnamespace&filterNamespaces=&idle=false&includeIdle=false&",
        &[&["a/data", "a/shop"]],
    ),
    (
        "kubectl-cost: cost deployment -n shop",
        "/model/allocation?accumulate=true&aggregate=cluster%2Cnamespace%2Cdeployment&filterNamespaces=shop&idle=true&includeIdle=true&",
        &[&["__idle__", "a/shop/shop-web"]],
    ),
    (
        "kubectl-cost: cost controller",
        "/allocation/compute?accumulate=true&aggregate=cluster%2Cnamespace%2CcontrollerKind%2Ccontroller&filterNamespaces=&idle=false&includeIdle=false&",
        &[&["a/data/statefulset/db", "a/shop/deployment/shop-web"]],
    ),
    (
        "kubectl-cost: cost label -l app_kubernetes_io_name",
        "/model/allocation?accumulate=true&aggregate=cluster%2Cnamespace%2Clabel%3Aapp_kubernetes_io_name&filterNamespaces=&idle=false&includeIdle=false&",
        &[&["a/data/__unallocated__", "a/shop/web"]],
    ),
    (
        "kubectl-cost: the table of everything",
        "/model/allocation?accumulate=true&",
        &[&["a/n1/data/u2/app", "a/n1/shop/u1/app"]],
    ),
    (
        "opencost-ui: cost by day",
        "/allocation/compute?aggregate=namespace&includeIdle=true&step=1d&accumulate=false&",
        &[&["__idle__", "data", "shop"], &["__idle__", "data", "shop"]],
    ),
    (
        "opencost-ui: a bar is opened, which encodes the sign between filters twice",
        "/allocation/compute?aggregate=controller&includeIdle=false&step=1d&accumulate=true&filter=namespace%3A%22shop%22%252BcontrollerKind%3A%22deployment%22&",
        &[&["shop-web"]],
    ),
    (
        "opencost-parquet-exporter",
        "/allocation/compute?aggregate=namespace%2Cpod%2Ccontainer&includeIdle=false&idleByNode=false&includeProportionalAssetResourceCosts=false&format=json&step=24h&",
        &[&["data/u2/app", "shop/u1/app"], &["data/u2/app", "shop/u1/app"]],
    ),
    (
        "a Python client, which writes True",
        "/allocation?aggregate=namespace&includeIdle=True&accumulate=True&resolution=1m&filter=label%5Bapp_kubernetes_io_name%5D%3A%22web%22&",
        &[&["__idle__", "shop"]],
    ),
    (
        "opencost-ui: by service, of which nothing is known",
        "/allocation/compute?aggregate=service&includeIdle=true&step=1d&accumulate=true&",
        &[&["__idle__", "__unallocated__"]],
    ),
    (
        "accumulate by part of the calendar",
        "/allocation?aggregate=namespace&accumulate=month&",
        &[&["data", "shop"]],
    ),
    (
        "accumulateBy before accumulate",
        "/allocation?aggregate=namespace&accumulate=true&accumulateBy=day&",
        &[&["data", "shop"], &["data", "shop"]],
    ),
];

#[tokio::test]
async fn what_clients_of_opencost_send_is_answered() {
    let place = OpencostFixture::new().await;
    for (client, request, expected) in REQUESTS {
        let sets = place.sets(&format!("{request}{WINDOW}")).await;
        let names = sets
            .iter()
            .map(|set| set.keys().map(String::as_str).collect::<Vec<_>>());
        let names = names.collect::<Vec<_>>();
        assert_eq!(names, *expected, "{client}");
    }
}

#[tokio::test]
async fn clients_of_opencost_read_numbers_where_their_types_have_numbers() {
    let place = OpencostFixture::new().await;
    let path = format!("/allocation/compute?aggregate=namespace,label:tier&{WINDOW}");
    let sets = place.sets(&path).await;
    let shop = &sets[0]["shop/x"];
    // Usage was not seen.
    for name in [
        "cpuEfficiency",
        "ramEfficiency",
        "totalEfficiency",
        "cpuCoreUsageAverage",
        "ramByteUsageAverage",
        "pvCost",
        "networkCost",
        "loadBalancerCost",
        "cpuCostAdjustment",
    ] {
        assert_eq!(shop[name].as_f64(), Some(0.0), "{name}: {shop}");
    }
    assert_eq!(
        (shop["minutes"].as_f64(), shop["cpuCores"].as_f64()),
        (Some(2_880.0), Some(3.0))
    );
    assert_eq!(shop["properties"]["labels"]["tier"], "x");
    assert_eq!(shop["properties"]["cluster"], "a");
    // On our own path unknown is not zero.
    let (_, body) = place
        .get(&path.replace("/allocation/compute", "/api/allocation"))
        .await;
    let ours: Value = serde_json::from_str(&body).unwrap();
    assert!(ours["data"][0]["shop/x"]["cpuEfficiency"].is_null());
}

#[tokio::test]
async fn what_no_answer_can_heed_is_refused_by_name() {
    let place = OpencostFixture::new().await;
    for (request, named) in [
        ("/allocation?window=7d&offset=10", "offset"),
        ("/allocation?window=7d&filterServices=a", "filterServices"),
        ("/allocation?window=7d&includeIdle=perhaps", "perhaps"),
        (
            "/allocation?window=7d&aggregate=image",
            "aggregate: `image` is not one of",
        ),
        ("/allocation?window=7d&accumulate=year", "accumulate: `year`"),
        ("/allocation?aggregate=pod", "window: "),
    ] {
        let (status, body) = place.get(request).await;
        assert!(
            status == 400 && body.contains(named),
            "{request}: {status} {body}"
        );
    }
}

/// Name, amount, begin, end and labels.
type ClientRow = (String, String, String, String, serde_json::Map<String, Value>);

/// What `unalloc` makes of an answer: it asks by namespace, controller and a label, for whole days with idle.
#[tokio::test]
async fn a_client_of_opencost_that_others_wrote_reads_what_it_asks_for() {
    let fetched = opencost_client::fetch(&ArtifactCache::new(ArtifactCache::default_root())).await;
    let test = "a_client_of_opencost_that_others_wrote_reads_what_it_asks_for";
    let Some(client) = unless_available(test, fetched).unwrap() else {
        return;
    };
    let place = OpencostFixture::new().await;
    let url = format!("http://{}", place.address);
    let said = client.rows(&url, "2026-03-02", "2026-03-04").await.unwrap();
    let rows: Vec<ClientRow> = serde_json::from_str(&said).unwrap();
    let mut amounts: Vec<(String, f64)> = rows
        .iter()
        .map(|row| (row.0.clone(), row.1.parse().unwrap()))
        .collect();
    amounts.sort_by(|one, other| one.0.cmp(&other.0));
    // 48 hours of a node of 10 cores and 40 GiB.
    let expected = [
        ("__idle__", 48.0 * (5.0 * 0.03 + 26.0 * 0.004)),
        ("data/db/__unallocated__", 48.0 * (2.0 * 0.03 + 9.0 * 0.004)),
        ("shop/shop-web/__unallocated__", 48.0 * (3.0 * 0.03 + 5.0 * 0.004)),
    ];
    assert_eq!(amounts.len(), expected.len(), "{said}");
    for ((name, amount), (expected_name, expected)) in amounts.iter().zip(expected) {
        assert_eq!(name, expected_name, "{said}");
        assert!(
            (amount - expected).abs() < 1e-6,
            "{name}: {amount} is not {expected}"
        );
    }
    let shop = rows.iter().find(|row| row.0.starts_with("shop")).unwrap();
    assert_eq!(
        (shop.2.as_str(), shop.3.as_str()),
        ("2026-03-02T00:00:00+00:00", "2026-03-04T00:00:00+00:00")
    );
    assert_eq!(
        (&shop.4["namespace"], &shop.4["controller"], &shop.4["cluster"]),
        (&"shop".into(), &"shop-web".into(), &"a".into())
    );
}
