//! A user's SCRAM password, as an administrator's client sets it: AlterUserScramCredentials, which librdkafka's binding lacks.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use openssl::hash::MessageDigest;
use openssl::pkcs5::pbkdf2_hmac;
use openssl::rand::rand_bytes;
use openssl::ssl::{SslConnector, SslFiletype, SslMethod};

use crate::error::{LocalError, LocalResult};
use crate::tls::TlsFiles;

/// AlterUserScramCredentials in its only version, whose fields have lengths of variable size and tags.
const API: [u8; 4] = [0, 51, 0, 0];
const NO_TAGS: u8 = 0;
const SCRAM_SHA_512: u8 = 2;
/// Kafka's own default.
const ITERATIONS: u16 = 4096;
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer before the code of its one result's error: correlation, tags, throttle, number of results, name.
const BEFORE_NAME: usize = 4 + 1 + 4 + 1;

/// Gives `username` this password for SCRAM-SHA-512 at a broker that takes TLS from an administrator with `client`.
pub(super) fn set(
    address: &str,
    client: Option<&TlsFiles>,
    username: &str,
    password: &str,
) -> LocalResult<()> {
    let failed = |why: String| LocalError::Setup(format!("set the password of {username}: {why}"));
    let question = question(username, password)?;
    let ask = || -> Result<Vec<u8>, String> {
        let stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
        let timeouts = [
            stream.set_read_timeout(Some(TIMEOUT)),
            stream.set_write_timeout(Some(TIMEOUT)),
        ];
        for timeout in timeouts {
            timeout.map_err(|error| error.to_string())?;
        }
        match client {
            None => exchange(stream, &question),
            Some(files) => {
                let connector = connector(files).map_err(|error| error.to_string())?;
                let stream = connector.connect("127.0.0.1", stream);
                exchange(stream.map_err(|error| error.to_string())?, &question)
            }
        }
    };
    let answer = ask().map_err(failed)?;
    let code = answer
        .get(BEFORE_NAME + 1 + username.len()..)
        .and_then(|rest| rest.get(..2));
    match code {
        Some([0, 0]) => Ok(()),
        _ => Err(failed(String::from_utf8_lossy(&answer).into_owned())),
    }
}

fn connector(files: &TlsFiles) -> Result<SslConnector, openssl::error::ErrorStack> {
    let mut connector = SslConnector::builder(SslMethod::tls_client())?;
    connector.set_ca_file(&files.ca)?;
    connector.set_certificate_chain_file(&files.certificate)?;
    connector.set_private_key_file(&files.key, SslFiletype::PEM)?;
    Ok(connector.build())
}

fn question(username: &str, password: &str) -> LocalResult<Vec<u8>> {
    let (mut salt, mut salted) = ([0; 16], [0; 64]);
    rand_bytes(&mut salt)?;
    let (digest, rounds) = (MessageDigest::sha512(), usize::from(ITERATIONS));
    pbkdf2_hmac(password.as_bytes(), &salt, rounds, digest, &mut salted)?;
    let mut question = API.to_vec();
    // Correlation, and a client without a name.
    question.extend([0, 0, 0, 1, 0xff, 0xff, NO_TAGS]);
    // No deletion and one upsertion; every length is one more than it is.
    question.extend([1, 2]);
    put(&mut question, username.as_bytes());
    question.push(SCRAM_SHA_512);
    question.extend(u32::from(ITERATIONS).to_be_bytes());
    put(&mut question, &salt);
    put(&mut question, &salted);
    question.extend([NO_TAGS, NO_TAGS]);
    Ok(question)
}

/// Bytes with their length before them, which is short here.
fn put(question: &mut Vec<u8>, bytes: &[u8]) {
    question.push(u8::try_from(bytes.len() + 1).unwrap_or(u8::MAX) & 0x7f);
    question.extend(bytes);
}

fn exchange(mut stream: impl Read + Write, question: &[u8]) -> Result<Vec<u8>, String> {
    let size = u32::try_from(question.len()).map_err(|error| error.to_string())?;
    let written = stream.write_all(&[&size.to_be_bytes()[..], question].concat());
    written.map_err(|error| error.to_string())?;
    let mut size = [0; 4];
    stream.read_exact(&mut size).map_err(|error| error.to_string())?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes([size[2], size[3]]))];
    stream
        .read_exact(&mut answer)
        .map_err(|error| error.to_string())?;
    Ok(answer)
}
