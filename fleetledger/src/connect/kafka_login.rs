//! A login by SASL on a connection of our own to a broker: PLAIN, and SCRAM as RFC 5802 has it.

use std::io::{Read, Write};

use openssl::{
    base64::{decode_block, encode_block},
    hash::{MessageDigest, hash},
    pkcs5::pbkdf2_hmac,
    pkey::PKey,
    rand::rand_bytes,
    sign::Signer,
};

use crate::config::{SaslConfig, SaslMechanism};

/// SaslHandshake and SaslAuthenticate, in versions whose fields have fixed lengths.
const SASL_HANDSHAKE: (i16, i16) = (17, 1);
const SASL_AUTHENTICATE: (i16, i16) = (36, 0);
/// Largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 1 << 16;
/// Rounds of hashing that a broker may ask for; Kafka's own default is 4,096.
const MOST_ITERATIONS: usize = 1_000_000;

/// Logs in.
///
/// # Errors
/// Why the broker does not let us in, without the password.
pub(super) fn log_in(stream: &mut (impl Read + Write), sasl: &SaslConfig) -> Result<(), String> {
    let password = sasl.password.as_ref().ok_or("kafka.sasl.password is missing")?;
    let password = password
        .read("kafka.sasl.password")
        .map_err(|fault| format!("{}: {}", fault.key, fault.why))?;
    let mechanism = sasl.mechanism.as_str();
    let answer = ask(stream, SASL_HANDSHAKE, &short_text(mechanism)?)?;
    if answer.get(..2) != Some(&[0, 0]) {
        return Err(format!("it does not support {mechanism}"));
    }
    match sasl.mechanism {
        SaslMechanism::Plain => {
            let message = format!("\0{}\0{}", sasl.username, password.expose());
            authenticate(stream, message.as_bytes()).map(drop)
        }
        SaslMechanism::ScramSha256 => {
            scram(stream, &sasl.username, password.expose(), MessageDigest::sha256())
        }
        SaslMechanism::ScramSha512 => {
            scram(stream, &sasl.username, password.expose(), MessageDigest::sha512())
        }
    }
}

fn scram(
    stream: &mut (impl Read + Write),
    username: &str,
    password: &str,
    digest: MessageDigest,
) -> Result<(), String> {
    let mut random = [0; 24];
    rand_bytes(&mut random).map_err(|error| error.to_string())?;
    let client = ScramClient {
        first: format!("n={},r={}", escaped(username), encode_block(&random)),
        digest,
    };
    let server_first = authenticate(stream, format!("n,,{}", client.first).as_bytes())?;
    let server_first = String::from_utf8(server_first).map_err(|_| NO_SCRAM)?;
    let (last, signature) = client.answer(&server_first, password)?;
    let server_last = authenticate(stream, last.as_bytes())?;
    // Only a broker that knows the password's hash can sign.
    match server_last.strip_prefix(b"v=") == Some(signature.as_bytes()) {
        true => Ok(()),
        false => Err("it cannot prove that it knows the password".to_owned()),
    }
}

const NO_SCRAM: &str = "its response is not SCRAM";

struct ScramClient {
    /// The first message without its header.
    first: String,
    digest: MessageDigest,
}

impl ScramClient {
    /// The last message, and the signature by which the broker must answer it.
    fn answer(&self, server_first: &str, password: &str) -> Result<(String, String), String> {
        let part = |name: &str| {
            let mut parts = server_first.split(',');
            parts.find_map(|part| part.strip_prefix(name)).ok_or(NO_SCRAM)
        };
        let (nonce, salt) = (part("r=")?, part("s=")?);
        let iterations: usize = part("i=")?.parse().map_err(|_| NO_SCRAM)?;
        let ours = self.first.rsplit_once("r=").map_or("", |(_, nonce)| nonce);
        if !nonce.starts_with(ours) || !(1..=MOST_ITERATIONS).contains(&iterations) {
            return Err(NO_SCRAM.to_owned());
        }
        let failed = |error: openssl::error::ErrorStack| error.to_string();
        let salt = decode_block(salt).map_err(failed)?;
        let mut salted = vec![0; self.digest.size()];
        pbkdf2_hmac(password.as_bytes(), &salt, iterations, self.digest, &mut salted).map_err(failed)?;
        let last = format!("c=biws,r={nonce}");
        let message = format!("{},{server_first},{last}", self.first);
        let client_key = self.signed(&salted, b"Client Key")?;
        let stored_key = hash(self.digest, &client_key).map_err(failed)?;
        let signature = self.signed(&stored_key, message.as_bytes())?;
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(key, signed)| key ^ signed)
            .collect();
        let server_key = self.signed(&salted, b"Server Key")?;
        let expected = self.signed(&server_key, message.as_bytes())?;
        Ok((
            format!("{last},p={}", encode_block(&proof)),
            encode_block(&expected),
        ))
    }

    fn signed(&self, key: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
        let sign = || {
            let key = PKey::hmac(key)?;
            Signer::new(self.digest, &key)?.sign_oneshot_to_vec(message)
        };
        sign().map_err(|error: openssl::error::ErrorStack| error.to_string())
    }
}

/// A name in a SCRAM message, where commas and equals signs part things.
fn escaped(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

fn authenticate(stream: &mut (impl Read + Write), message: &[u8]) -> Result<Vec<u8>, String> {
    let size = i32::try_from(message.len()).map_err(|error| error.to_string())?;
    let answer = ask(
        stream,
        SASL_AUTHENTICATE,
        &[&size.to_be_bytes(), message].concat(),
    )?;
    let mut rest = answer.as_slice();
    let error = i16::from_be_bytes(*take(&mut rest)?);
    let said = i16::from_be_bytes(*take(&mut rest)?);
    let said = rest
        .split_at_checked(usize::try_from(said).unwrap_or(0))
        .ok_or(NO_KAFKA)?;
    if error != 0 {
        return Err(format!(
            "it refuses the login: {}",
            String::from_utf8_lossy(said.0)
        ));
    }
    rest = said.1;
    take::<4>(&mut rest)?;
    Ok(rest.to_vec())
}

const NO_KAFKA: &str = "its response is not Kafka's";

fn take<'a, const SIZE: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; SIZE], String> {
    let (taken, left) = rest.split_first_chunk().ok_or(NO_KAFKA)?;
    *rest = left;
    Ok(taken)
}

/// Asks one question and returns its answer, without what stands in front of every answer.
fn ask(stream: &mut (impl Read + Write), (key, version): (i16, i16), body: &[u8]) -> Result<Vec<u8>, String> {
    let head = [key.to_be_bytes(), version.to_be_bytes()].concat();
    let question = [&head, &1_i32.to_be_bytes()[..], &short_text("fleetledger")?, body].concat();
    let size = i32::try_from(question.len()).map_err(|error| error.to_string())?;
    let failed = |error: std::io::Error| error.to_string();
    stream
        .write_all(&[&size.to_be_bytes()[..], &question].concat())
        .map_err(failed)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size).map_err(failed)?;
    let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(0);
    if !(4..=LARGEST_ANSWER).contains(&size) {
        return Err(NO_KAFKA.to_owned());
    }
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer).map_err(failed)?;
    Ok(answer.split_off(4))
}

fn short_text(text: &str) -> Result<Vec<u8>, String> {
    let size = i16::try_from(text.len()).map_err(|error| error.to_string())?;
    Ok([&size.to_be_bytes(), text.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scram_answers_as_the_example_of_rfc_7677() {
        let client = ScramClient {
            first: "n=user,r=rOprNGfwEbeRWgbNEkqO".to_owned(),
            digest: MessageDigest::sha256(),
        };
        let server_first =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (last, signature) = client.answer(server_first, "pencil").unwrap();
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn a_broker_cannot_choose_our_part_of_the_nonce_or_hash_for_ever() {
        let client = ScramClient {
            first: "n=user,r=ours".to_owned(),
            digest: MessageDigest::sha512(),
        };
        for answer in [
            "r=theirs,s=AAAA,i=4096",
            "r=oursx,s=AAAA,i=999999999",
            "r=oursx,i=1",
            "",
        ] {
            assert_eq!(client.answer(answer, "x").unwrap_err(), NO_SCRAM, "{answer}");
        }
    }

    #[test]
    fn a_name_with_a_comma_is_one_name() {
        assert_eq!(escaped("a,b=c"), "a=2Cb=3Dc");
    }
}
