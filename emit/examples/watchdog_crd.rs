//! Prints the definition of the `Watchdog` custom resource, for `deploy/kubernetes/watchdog-crd.yaml`.

#![allow(
    clippy::expect_used,
    reason = "a tool for developers: a failure should stop it"
)]

fn main() {
    println!("# Generated: cargo run -p fleetledger-emit --example watchdog_crd");
    print!(
        "{}",
        serde_yaml_ng::to_string(&fleetledger_emit::watchdog_resource::watchdog_crd())
            .expect("definition is yaml")
    );
}
