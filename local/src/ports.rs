//! Free loopback ports.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use crate::error::{LocalError, LocalResult};

/// Below Linux's ephemeral range (32768 and up), so that no outgoing connection takes the port
/// between this look and the server's bind.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static ALLOCATED_PORTS: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A port on 127.0.0.1 that nobody listens on and that this process has not given out before.
pub fn free_port() -> LocalResult<u16> {
    let mut given = ALLOCATED_PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_default();
    // A random start keeps processes that run side by side apart.
    let (start, _, _, _) = uuid::Uuid::new_v4().as_fields();
    for step in 0..COUNT {
        let offset = (start.wrapping_add(u32::from(step)) % u32::from(COUNT)) as u16;
        let port = FIRST + offset;
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    Err(LocalError::NoPort)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_not_given_twice() {
        let ports: HashSet<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 50);
    }
}
