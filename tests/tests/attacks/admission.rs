//! What invented clusters cannot do.

use std::time::Instant;

use fleetledger_ingest::{AdmissionPolicy, clusters};
use fleetledger_schema::{key::RecordSource, kind::RecordKind};
use fleetledger_tests::manual_emitter::pod;

use crate::site::{AttackedSite, OWNER, OWNER_UID, PODS};

const CLUSTERS: &str = "select count(*) from fleet.cluster";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_invented_sources_never_stop_the_partition_of_a_neighbour() {
    let test = "six_invented_sources_never_stop_the_partition_of_a_neighbour";
    for is_admitted in [false, true] {
        let Some(site) = AttackedSite::unsigned(test, |_| {}).await else {
            return;
        };
        if is_admitted {
            site.admit(OWNER, OWNER_UID).await;
        }
        let mut owner = site.owner(false).await;
        let mut attempts = 0;
        for number in 0..6 {
            let mut invented = site.invented(number);
            for object in 0..60 {
                let mut raw = invented.raw(&pod(&format!("x{object}"), 1));
                raw.value.as_mut().unwrap()[0] = 0x7f;
                invented.put(&raw);
                attempts += 1;
            }
            invented.flush().await;
            site.await_next(&mut owner, &format!("after-{number}")).await;
        }
        site.await_number(
            "each of them is quarantined",
            "select count(*) from fleet.quarantine where reason = 'poisoned' and released_at is null",
            6,
        )
        .await;
        site.await_next(&mut owner, "last").await;
        site.assert_unharmed(PODS + 7).await;
        println!(
            "{attempts} unreadable records of 6 invented sources, neighbour admitted: {is_admitted}: 0 stops"
        );
        site.end().await;
    }
}

/// One record in each of so many names.
async fn invent(site: &AttackedSite, names: usize) {
    let mut attacker = site.attacker("i", "invented-uid");
    for number in 0..names {
        let (name, uid) = (format!("i{number}"), format!("invented-uid-{number}"));
        attacker.source = RecordSource::new("dfw", &name, &uid).unwrap();
        attacker.write(&pod("x", 1));
    }
    attacker.flush().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_invented_clusters_are_few_in_the_ledger_and_are_forgotten() {
    const NAMES: usize = 1_000;
    const PER_HOUR: u32 = 20;
    let test = "a_thousand_invented_clusters_are_few_in_the_ledger_and_are_forgotten";
    let Some(site) = AttackedSite::unsigned(test, |settings| settings.admission_per_hour = PER_HOUR).await
    else {
        return;
    };
    site.admit(OWNER, OWNER_UID).await;
    let mut owner = site.owner(false).await;
    let started = Instant::now();
    invent(&site, NAMES).await;
    site.await_number(
        "every invented name was judged",
        "select (select count(*) from fleet.dead_letter where reason = 'not_admitted')
            + (select count(*) from fleet.pod where cluster like 'i%')",
        i64::try_from(NAMES).unwrap(),
    )
    .await;
    let taken = site.database.number(CLUSTERS).await - 1;
    assert_eq!(taken, i64::from(PER_HOUR));
    let shown = site
        .database
        .number("select count(*) from fleet.quarantine where reason = 'not_admitted'")
        .await;
    assert!(shown <= 100, "{shown}");
    site.await_next(&mut owner, "after").await;
    site.assert_unharmed(PODS + 1).await;
    let invented = site
        .database
        .rows(
            "select cluster_uid from fleet.cluster where cluster like 'i%'",
            &[],
        )
        .await;
    for cluster in &invented {
        clusters::forget(&site.database.owner, cluster["cluster_uid"].as_str().unwrap())
            .await
            .unwrap();
    }
    assert_eq!(site.database.number(CLUSTERS).await, 1);
    assert_eq!(
        site.database
            .number("select count(*) from fleet.pod where cluster like 'i%'")
            .await,
        0
    );
    // A name that was forgotten does not come back by itself.
    let mut again = site.attacker("i0", "invented-uid-0");
    again.epoch += 1_000_000;
    again.write(&pod("y", 1));
    again.flush().await;
    site.await_number(
        "it is refused",
        "select count(*) from fleet.dead_letter where reason = 'not_admitted' and cluster = 'i0'",
        1,
    )
    .await;
    assert_eq!(site.database.number(CLUSTERS).await, 1);
    println!(
        "{NAMES} invented clusters within {:.0?}: {taken} taken in, {shown} shown, all forgotten",
        started.elapsed()
    );
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_listed_clusters_are_taken_in_where_admission_is_listed() {
    let test = "only_listed_clusters_are_taken_in_where_admission_is_listed";
    let Some(site) =
        AttackedSite::unsigned(test, |settings| settings.admission = AdmissionPolicy::Listed).await
    else {
        return;
    };
    site.admit(OWNER, OWNER_UID).await;
    // A name that is not listed, and the listed uid under another name.
    for (name, uid) in [("other", "other-uid"), ("thief", OWNER_UID)] {
        let mut attacker = site.attacker(name, uid);
        attacker.sweep(RecordKind::Pod, &[pod("x", 1)]);
        attacker.flush().await;
    }
    let mut owner = site.owner(false).await;
    site.await_next(&mut owner, "after").await;
    site.assert_unharmed(PODS + 1).await;
    assert_eq!(site.database.number(CLUSTERS).await, 1);
    // Once it is admitted, the first is taken in within seconds.
    site.admit("other", "other-uid").await;
    let mut other = site.attacker("other", "other-uid");
    let mut number = 0;
    let started = Instant::now();
    while site.database.number(CLUSTERS).await == 1 {
        number += 1;
        other.write(&pod("x", number));
        other.flush().await;
        assert!(started.elapsed() < crate::site::LIMIT);
        tokio::task::yield_now().await;
    }
    println!(
        "2 sources that are not listed: 0 taken in; admitted, one lands after {:.1?}",
        started.elapsed()
    );
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_sweep_of_an_unsigned_neighbour_closes_nothing_by_itself() {
    let test = "a_forged_sweep_of_an_unsigned_neighbour_closes_nothing_by_itself";
    for is_admitted in [false, true] {
        let Some(site) = AttackedSite::unsigned(test, |_| {}).await else {
            return;
        };
        if is_admitted {
            site.admit(OWNER, OWNER_UID).await;
        }
        let mut owner = site.owner(false).await;
        let mut forger = site.attacker(OWNER, OWNER_UID);
        forger.epoch = owner.epoch + 1;
        // Again and again, within the time that the second one must wait.
        for _ in 0..5 {
            forger.sweep(RecordKind::Pod, &[]);
        }
        forger.flush().await;
        site.await_number(
            "the sweep is held",
            "select count(*) from fleet.sweep where cluster = 'owner' and state = 'held' and held_objects = 40",
            1,
        )
        .await;
        owner.begin_epoch(owner.epoch + 2);
        site.await_next(&mut owner, "after").await;
        owner.sweep(RecordKind::Pod, &crate::site::pods());
        owner.flush().await;
        site.await_number(
            "the owner's own sweep ends the wait",
            "select count(*) from fleet.sweep where cluster = 'owner' and kind = 'pod' and state = 'complete' and closed_objects = 1",
            1,
        )
        .await;
        println!("5 forged sweeps, neighbour admitted: {is_admitted}: 0 closed objects");
        site.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuilt_cluster_is_refused_under_its_old_name_until_the_old_one_is_retired() {
    let test = "a_rebuilt_cluster_is_refused_under_its_old_name_until_the_old_one_is_retired";
    let Some(site) = AttackedSite::unsigned(test, |_| {}).await else {
        return;
    };
    let mut owner = site.owner(false).await;
    // A new etcd is a new uid of kube-system.
    let mut rebuilt = site.attacker(OWNER, "uid-of-the-new-etcd");
    rebuilt.write(&pod("new", 1));
    rebuilt.flush().await;
    let alerted = "select count(*) from fleet.quarantine where reason = 'name_taken' and cluster = 'owner' and released_at is null";
    site.await_number("one alert says so", alerted, 1).await;
    site.await_next(&mut owner, "after").await;
    assert_eq!(
        site.database.number(CLUSTERS).await,
        1,
        "rows are told apart by names"
    );
    clusters::retire(&site.database.owner, "dfw", OWNER)
        .await
        .unwrap();
    let mut number = 1;
    let started = Instant::now();
    let landed = "select count(*) from fleet.pod where cluster = 'owner'";
    while site.database.number(landed).await == 0 {
        number += 1;
        rebuilt.write(&pod("new", number));
        rebuilt.flush().await;
        assert!(started.elapsed() < crate::site::LIMIT);
    }
    site.await_number("the alert is over", alerted, 0).await;
    println!(
        "a rebuilt cluster lands {:.1?} after the old one was retired",
        started.elapsed()
    );
    site.end().await;
}
