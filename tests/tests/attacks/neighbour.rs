//! What somebody cannot do who may write to the same topics as a cluster that signs its records.

use fleetledger_schema::{kind::RecordKind, mac::MacKey};
use fleetledger_tests::manual_emitter::{DraftRecord, ManualEmitter, pod};

use crate::site::{AttackedSite, OWNER, OWNER_UID, PODS, pods};

/// Ways of writing under a neighbour's key without having its key.
fn forgers(site: &AttackedSite) -> Vec<(&'static str, ManualEmitter)> {
    let forger = |key: Option<MacKey>, later: i64| {
        let mut forger = site.attacker(OWNER, OWNER_UID);
        forger.key = key;
        forger.epoch += later;
        forger
    };
    vec![
        ("no mac", forger(None, 1_000_000)),
        (
            "another key's mac",
            forger(MacKey::parse(&"c3".repeat(32)), 2_000_000),
        ),
        ("an hour ahead", forger(None, 3_600_000_000)),
    ]
}

async fn count_dead(site: &AttackedSite, reason: &str) -> usize {
    let query =
        format!("select count(*) from fleet.dead_letter where cluster = 'owner' and reason = '{reason}'");
    usize::try_from(site.database.number(&query).await).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_sweeps_tombstones_and_deletes_close_nothing_of_a_signed_neighbour() {
    let test = "forged_sweeps_tombstones_and_deletes_close_nothing_of_a_signed_neighbour";
    let Some(site) = AttackedSite::signed(test, |settings| settings.sweep_hold_share = 1.0).await else {
        return;
    };
    let mut owner = site.owner(true).await;
    let mut attempts = 0;
    for (_, mut forger) in forgers(&site) {
        for kind in RecordKind::ALL {
            forger.sweep(kind, &[]);
            attempts += 2;
        }
        for uid in ["p0", "p1", "p2"] {
            forger.delete(&pod(uid, 100));
            let tombstone = forger.tombstone(RecordKind::Pod, uid);
            forger.put(&tombstone);
            attempts += 3;
        }
        forger.flush().await;
    }
    site.await_next(&mut owner, "after").await;
    site.await_number(
        "all of them are refused",
        "select count(*) from fleet.dead_letter where reason = 'bad_mac'",
        attempts,
    )
    .await;
    site.assert_unharmed(PODS + 1).await;
    println!("{attempts} forged marks, deletes and tombstones: 0 closed objects");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_bodies_under_a_neighbours_key_quarantine_nobody() {
    let test = "unreadable_bodies_under_a_neighbours_key_quarantine_nobody";
    let Some(site) = AttackedSite::signed(test, |_| {}).await else {
        return;
    };
    let mut owner = site.owner(true).await;
    let mut attempts = 0;
    for (_, mut forger) in forgers(&site) {
        for number in 0..100 {
            let mut raw = forger.raw(&pod(&format!("p{number}"), 1));
            spoil(&mut raw, number);
            forger.put(&raw);
            attempts += 1;
        }
        forger.flush().await;
    }
    site.await_next(&mut owner, "after").await;
    site.assert_unharmed(PODS + 1).await;
    let dead = count_dead(&site, "bad_mac").await;
    assert_eq!(dead, attempts);
    println!(
        "{attempts} unreadable records under a neighbour's key: 0 false quarantines, {dead} dead letters"
    );
    site.end().await;
}

/// Spoils a record in one of several ways.
fn spoil(raw: &mut DraftRecord, number: usize) {
    match number % 5 {
        0 => raw.value.as_mut().unwrap()[0] = 0x7f,
        1 => raw.value.as_mut().unwrap().truncate(12),
        2 => raw.headers.retain(|(name, _)| name != "ce_epoch"),
        3 => raw.headers.retain(|(name, _)| name != "ce_time"),
        _ => raw.value.as_mut().unwrap().extend([0; 9]),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_record_that_is_sent_again_or_changed_changes_nothing() {
    let test = "a_signed_record_that_is_sent_again_or_changed_changes_nothing";
    let Some(site) = AttackedSite::signed(test, |_| {}).await else {
        return;
    };
    let mut owner = site.attacker(OWNER, OWNER_UID);
    owner.key = Some(site.key.clone());
    owner.sweep(RecordKind::Pod, &pods());
    // What an attacker may have read from the topic: a real record of the neighbour, then its successor.
    let old = owner.raw(&pod("p0", 1));
    owner.put(&old);
    owner.write(&pod("p0", 2));
    owner.flush().await;
    let mut attacker = site.attacker(OWNER, OWNER_UID);
    let mut attempts = 0;
    for number in 0..6 {
        let mut again = old.clone();
        let set = |draft: &mut DraftRecord, name: &str, value: &str| {
            let header = draft.headers.iter_mut().find(|(known, _)| known == name);
            header.unwrap().1 = value.as_bytes().to_vec();
        };
        match number {
            0 => {}
            1 => set(&mut again, "ce_logsequence", "5000"),
            2 => set(&mut again, "ce_epoch", &(owner.epoch + 1).to_string()),
            3 => set(&mut again, "ce_time", "2026-01-01T00:00:00Z"),
            4 => again.key = format!("dfw/{OWNER}/{OWNER_UID}/p1").into_bytes(),
            _ => again.value = None,
        }
        attacker.put(&again);
        attempts += 1;
    }
    attacker.flush().await;
    site.await_next(&mut owner, "after").await;
    site.assert_unharmed(PODS + 1).await;
    let cpu = "select (cpu_request_cores * 1000)::bigint from fleet.pod where uid_text = 'p0'";
    assert_eq!(site.database.number(cpu).await, 2);
    println!("{attempts} copies of a signed record, as it was and changed: 0 rows changed");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_keys_are_valid_while_one_takes_the_place_of_the_other() {
    let test = "both_keys_are_valid_while_one_takes_the_place_of_the_other";
    let Some(site) = AttackedSite::signed(test, |_| {}).await else {
        return;
    };
    let mut owner = site.owner(true).await;
    owner.key = MacKey::parse(&"b2".repeat(32));
    site.await_next(&mut owner, "second-key").await;
    owner.key = MacKey::parse(&"a1".repeat(32));
    site.await_next(&mut owner, "first-key").await;
    assert_eq!(count_dead(&site, "bad_mac").await, 0);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_uid_and_a_name_that_were_taken_first_go_back_to_their_owner() {
    let test = "a_uid_and_a_name_that_were_taken_first_go_back_to_their_owner";
    for is_signed in [true, false] {
        let site = match is_signed {
            true => AttackedSite::signed(test, |_| {}).await,
            false => AttackedSite::unsigned(test, |_| {}).await,
        };
        let Some(site) = site else { return };
        // Before the owner has ever sent: another name takes its uid, and an epoch that it will not reach within the hour.
        let mut thief = site.attacker("thief", OWNER_UID);
        thief.epoch += 3_600_000_000;
        thief.sweep(RecordKind::Pod, &[pod("stolen", 1)]);
        thief.flush().await;
        // And its name, with a uid that was invented; a name that has a key cannot be taken at all.
        let mut namesake = site.attacker(OWNER, "invented-uid");
        namesake.sweep(RecordKind::Pod, &[pod("invented", 1)]);
        namesake.flush().await;
        site.await_number(
            "the thieves have landed",
            "select count(*) from fleet.pod where cluster in ('thief', 'owner')",
            if is_signed { 1 } else { 2 },
        )
        .await;
        if !is_signed {
            site.admit(OWNER, OWNER_UID).await;
        }
        let current = "select count(*) from fleet.pod where cluster = 'owner'";
        let owner = site.owner(is_signed).await;
        // What the thief wrote under its uid is closed by its own sweep.
        site.await_number("its objects are its own", current, 40).await;
        thief.write(&pod("stolen", 2));
        thief.flush().await;
        site.await_number(
            "the thief is the duplicate",
            "select count(*) from fleet.quarantine where cluster = 'thief' and reason = 'duplicate_cluster_uid' and released_at is null",
            1,
        )
        .await;
        namesake.write(&pod("invented", 2));
        namesake.flush().await;
        site.await_number(
            "both records of the other one are refused, or its second is",
            "select count(*) from ledger.dead_letter where cluster_uid = 'invented-uid' and reason in ('bad_mac', 'quarantined')",
            if is_signed { 4 } else { 1 },
        )
        .await;
        site.await_number("they still are", current, 40).await;
        drop(owner);
        println!(
            "2 thieves of a uid and a name, their owner {}: they are the owner's",
            if is_signed { "signs" } else { "was admitted" }
        );
        site.end().await;
    }
}
