//! What time it is at the brokers.
//!
//! The one question to Kafka whose answer holds a broker's clock and which changes nothing is DescribeQuorum: the active
//! controller writes its own present among the voters' (KIP-836). librdkafka cannot ask it, so its bytes are written
//! here, over a connection of our own that may be TLS and may log in by SASL.

use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use fleetledger_schema::instant::Instant;
use openssl::ssl::{SslConnector, SslFiletype, SslMethod, SslStream};

use super::kafka_login::log_in;
use crate::config::{KafkaConfig, SaslConfig, TlsConfig};

/// How long a broker may take.
const ANSWER: Duration = Duration::from_secs(5);
/// DescribeQuorum, and the version from which on it tells instants.
const DESCRIBE_QUORUM: i16 = 55;
const VERSION: i16 = 1;
/// Largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 1 << 20;

/// A broker's clock, and ours in the middle of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerClock {
    /// The active controller's clock.
    pub theirs: Instant,
    /// This machine's.
    pub ours: Instant,
}

/// Asks the first broker that answers. Blocks.
///
/// # Errors
/// Why it cannot be told, as part of a sentence.
pub fn read(kafka: &KafkaConfig) -> Result<BrokerClock, String> {
    let mut why = String::new();
    for server in kafka.bootstrap_servers.split(',').map(str::trim) {
        match ask(server, kafka) {
            Ok(clock) => return Ok(clock),
            Err(error) => why = format!("the time of {server} cannot be read: {error}"),
        }
    }
    Err(why)
}

fn ask(server: &str, kafka: &KafkaConfig) -> Result<BrokerClock, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let address = server.to_socket_addrs().map_err(|error| text(&error))?.next();
    let address = address.ok_or("no such host")?;
    let mut stream = TcpStream::connect_timeout(&address, ANSWER).map_err(|error| text(&error))?;
    for set in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
        set(&stream, Some(ANSWER)).map_err(|error| text(&error))?;
    }
    let Some(tls) = &kafka.tls else {
        return exchange(&mut stream, kafka.sasl.as_ref());
    };
    let mut stream = connect_tls(server, stream, tls)?;
    exchange(&mut stream, kafka.sasl.as_ref())
}

fn connect_tls(server: &str, stream: TcpStream, tls: &TlsConfig) -> Result<SslStream<TcpStream>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(|error| text(&error))?;
    if let Some(ca) = &tls.ca {
        builder.set_ca_file(ca).map_err(|error| text(&error))?;
    }
    if let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) {
        builder
            .set_certificate_chain_file(certificate)
            .map_err(|error| text(&error))?;
        builder
            .set_private_key_file(key, SslFiletype::PEM)
            .map_err(|error| text(&error))?;
    }
    let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
    let connector = builder.build();
    connector.connect(host, stream).map_err(|error| error.to_string())
}

fn exchange(stream: &mut (impl Read + Write), sasl: Option<&SaslConfig>) -> Result<BrokerClock, String> {
    if let Some(sasl) = sasl {
        log_in(stream, sasl)?;
    }
    let failed = |error: std::io::Error| error.to_string();
    let asked = Instant::now();
    stream.write_all(&request()).map_err(failed)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size).map_err(failed)?;
    let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(0);
    if size > LARGEST_ANSWER {
        return Err("its response is not Kafka's".to_owned());
    }
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer).map_err(failed)?;
    let waited = Instant::now().micros_since(asked);
    let theirs = controller_time(&mut AnswerReader(&answer)).ok_or("its response contains no time")?;
    Ok(BrokerClock {
        theirs,
        ours: asked.plus_micros(waited / 2),
    })
}

/// One question about partition 0 of the metadata, in the protocol's flexible form: lengths are varints and one more
/// than what they count, a 0 stands for no tagged fields.
fn request() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(DESCRIBE_QUORUM.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(11_i16.to_be_bytes());
    body.extend(b"fleetledger");
    body.push(0);
    body.push(2);
    body.push(19);
    body.extend(b"__cluster_metadata");
    body.push(2);
    body.extend(0_i32.to_be_bytes());
    body.extend([0, 0, 0]);
    let size = i32::try_from(body.len()).unwrap_or(0);
    [size.to_be_bytes().to_vec(), body].concat()
}

/// The leader's own entry among the voters holds its present, in milliseconds.
fn controller_time(answer: &mut AnswerReader<'_>) -> Option<Instant> {
    answer.int32()?;
    answer.tags()?;
    let error = answer.int16()?;
    answer.length().filter(|topics| *topics > 0 && error == 0)?;
    let name = answer.length()?;
    answer.take(name)?;
    answer.length().filter(|partitions| *partitions > 0)?;
    answer.int32()?;
    let error = answer.int16()?;
    let leader = answer.int32()?;
    answer.int32()?;
    answer.int64()?;
    let voters = answer.length().filter(|_| error == 0)?;
    for _ in 0..voters {
        let (voter, _, fetched_ms) = (answer.int32()?, answer.int64()?, answer.int64()?);
        answer.int64()?;
        answer.tags()?;
        if voter == leader && fetched_ms > 0 {
            return Some(Instant(fetched_ms.checked_mul(1000)?));
        }
    }
    None
}

/// Reads an answer from its front; `None` at its end.
struct AnswerReader<'a>(&'a [u8]);

impl<'a> AnswerReader<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn int16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn int32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn int64(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn varint(&mut self) -> Option<usize> {
        let mut value = 0_usize;
        for shift in [0_u32, 7, 14, 21, 28] {
            let byte = *self.take(1)?.first()?;
            value |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Length of what follows.
    fn length(&mut self) -> Option<usize> {
        self.varint()?.checked_sub(1)
    }

    fn tags(&mut self) -> Option<()> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let size = self.varint()?;
            self.take(size)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_ends_early_or_names_an_error_has_no_time() {
        assert_eq!(controller_time(&mut AnswerReader(&[])), None);
        let refused = [0, 0, 0, 1, 0, 0, 31, 1];
        assert_eq!(controller_time(&mut AnswerReader(&refused)), None);
    }

    #[test]
    fn the_leaders_entry_tells_the_time() {
        let mut answer = vec![0, 0, 0, 1, 0, 0, 0, 2, 2, b'm', 2];
        answer.extend([0, 0, 0, 0, 0, 0]);
        answer.extend(7_i32.to_be_bytes());
        answer.extend(1_i32.to_be_bytes());
        answer.extend(100_i64.to_be_bytes());
        answer.push(3);
        for (voter, at_ms) in [(6_i32, -1_i64), (7, 1_700_000_000_123)] {
            answer.extend(voter.to_be_bytes());
            answer.extend(100_i64.to_be_bytes());
            answer.extend(at_ms.to_be_bytes());
            answer.extend(at_ms.to_be_bytes());
            answer.push(0);
        }
        let time = controller_time(&mut AnswerReader(&answer));
        assert_eq!(time, Some(Instant(1_700_000_000_123_000)));
    }
}
