//! Doctor and the configuration on this machine: what is refused before anything opens.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::{BinaryFixture, assert_broken, assert_well, finding};
use openssl::{asn1::Asn1Time, hash::MessageDigest, pkey::PKey, rsa::Rsa, x509::X509};

#[test]
fn unknown_key_is_refused_by_every_command_with_exit_code_3() {
    let setup = BinaryFixture::new("[postgres]\npasswrod = \"env:X\"\n");
    for command in [&["status"][..], &["ingest"], &["doctor"], &["config", "check"]] {
        let (code, output) = setup.run_to_text(command);
        assert_eq!(code, 3, "{output}");
        assert!(
            output.contains("postgres.passwrod") && output.contains("postgres.password"),
            "{output}"
        );
        assert!(output.contains(&setup.file().display().to_string()), "{output}");
    }
}

#[test]
fn unreadable_file_and_unknown_variable_are_refused() {
    let setup = BinaryFixture::new("");
    std::fs::remove_file(setup.file()).unwrap();
    let (code, output) = setup.run_to_text(&["doctor"]);
    assert!(code == 3 && output.contains("No such file"), "{code} {output}");
    let setup = BinaryFixture::new("").variable("FLEETLEDGER__KAFKA__BOOTSTRAP", "a:1");
    let (code, said) = setup.run_to_text(&["config", "check"]);
    assert!(
        code == 3 && said.contains("FLEETLEDGER__KAFKA__BOOTSTRAP"),
        "{code} {said}"
    );
}

#[test]
fn role_without_its_settings_opens_nothing() {
    let (code, output) = BinaryFixture::new("").run_to_text(&["emit"]);
    assert!(code == 3 && output.contains("emit.datacenter"), "{code} {output}");
}

#[test]
fn secret_that_everybody_can_read_and_secret_that_is_missing_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "hunter2\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let setup = BinaryFixture::new(&format!("[postgres]\npassword = \"file:{}\"\n", file.display()));
    assert_broken(
        &setup,
        "machine",
        "secret-files",
        "every user",
        &format!("chmod o= {}", file.display()),
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_well(&setup, "machine", "secret-files");
    std::fs::remove_file(&file).unwrap();
    assert_broken(
        &setup,
        "machine",
        "secret-files",
        "cannot read",
        "correct the reference",
    );
}

#[test]
fn plaintext_beyond_this_machine_is_warned_of_and_no_secret_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let hook = folder.path().join("hook");
    std::fs::write(&hook, "http://hooks.example.com/hunter2\n").unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o600)).unwrap();
    let setup = BinaryFixture::new(&format!(
        "[kafka]\nbootstrap_servers = \"kafka.example.com:9092\"\n\
         [kafka.properties]\n\"ssl.keystore.password\" = \"hunter2\"\n\"linger.ms\" = \"7\"\n\
         [postgres]\nhost = \"db.example.com\"\ntls = \"off\"\n\
         [receivers.hook]\nkind = \"webhook\"\nsecret_url = \"file:{}\"\nproxy = \"http://ada:hunter2@proxy:3128\"\n",
        hook.display()
    ));
    let (code, said) = setup.run_to_text(&["config", "check"]);
    assert!(code == 0 && !said.contains("hunter2"), "{code} {said}");
    for words in [
        "\"linger.ms\" = \"7\"",
        "warning: kafka.tls: ",
        "warning: postgres.tls: ",
        "warning: receivers.hook.secret_url: ",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (verdict, why, fix) = finding(&setup, "exposed-ways", "machine");
    assert!(
        verdict == "warned"
            && why.contains("postgres.tls")
            && fix.contains("verify-full")
            && !why.contains("hunter2"),
        "{verdict} {why} {fix}"
    );
    // A warning is no fault.
    assert_eq!(setup.run_to_text(&["doctor", "--only", "machine"]).0, 0);
    assert_well(
        &BinaryFixture::new("[postgres]\ntls = \"off\"\n"),
        "machine",
        "exposed-ways",
    );
}

#[test]
fn certificate_that_ends_soon_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let write = |days: u32| {
        let mut builder = X509::builder().unwrap();
        builder.set_pubkey(&key).unwrap();
        builder
            .set_not_before(&Asn1Time::days_from_now(0).unwrap())
            .unwrap();
        builder
            .set_not_after(&Asn1Time::days_from_now(days).unwrap())
            .unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        std::fs::write(&file, builder.build().to_pem().unwrap()).unwrap();
    };
    let setup = BinaryFixture::new(&format!("[postgres]\nca = \"{}\"\n", file.display()));
    write(3);
    assert_broken(&setup, "machine", "certificates", "postgres.ca", "renew it");
    write(300);
    assert_well(&setup, "machine", "certificates");
    std::fs::write(&file, "no certificate").unwrap();
    assert_broken(
        &setup,
        "machine",
        "certificates",
        "not a PEM certificate",
        "postgres.ca",
    );
}
