//! Which failures are of the session, and not of what it was asked.
//!
//! A session is lost when its server ends it, when a pooler gives the connection another server than before, or when
//! what it has prepared no longer fits the schema. Whoever meets one asks again on a new session; nothing is wrong with
//! the statement, its data, or the rights of the user.

/// What of the server's code belongs to plans that no longer fit: the one reason for 0A000 that passes.
const REPLAN_ROUTINE: &str = "RevalidateCachedQuery";

/// The one function that decides for an SQLSTATE whether the same is to be asked again on a new session. `routine` is the
/// function of the server that raised it, which tells errors of one SQLSTATE apart in every language.
#[must_use]
pub fn needs_new_session(sqlstate: &str, routine: &str) -> bool {
    match sqlstate {
        // "cached plan must not change result type": tables have changed below a prepared statement.
        "0A000" => routine == REPLAN_ROUTINE,
        // Not in the transaction that this end believes in: a pooler has changed the server below the session, a standby
        // has been promoted (25006), the server has given the transaction up (25P03, 25P04).
        "25001" | "25006" | "25P01" | "25P02" | "25P03" | "25P04" => true,
        // Prepared statements and portals that the server does not know, or knows from somebody else.
        "26000" | "34000" | "42P03" | "42P05" => true,
        // Ended from outside, or not yet ready. A dropped database (57P04) does not come back.
        "57P01" | "57P02" | "57P03" | "57P05" => true,
        // What poolers say of themselves has 08P01.
        state => state.starts_with("08"),
    }
}

/// True if the same may be asked again on a new session: the connection broke, or [`needs_new_session`].
#[must_use]
pub fn is_session_fault(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        Some(refusal) => needs_new_session(refusal.code().code(), refusal.routine().unwrap_or_default()),
        None => is_broken(error),
    }
}

/// The wire failed, rather than the reading of a value.
fn is_broken(error: &tokio_postgres::Error) -> bool {
    let mut source = std::error::Error::source(error);
    let mut broken = error.is_closed();
    while let Some(inner) = source {
        broken |= inner.is::<std::io::Error>();
        source = inner.source();
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_the_session_are_no_faults_of_the_statement() {
        for state in [
            "08000", "08003", "08006", "08P01", "25001", "25006", "25P01", "25P02", "25P03", "25P04",
            "26000", "34000", "42P03", "42P05", "57P01", "57P02", "57P03", "57P05",
        ] {
            assert!(needs_new_session(state, ""), "{state}");
        }
        for state in [
            "0A000", "22021", "23505", "28P01", "3D000", "40001", "42501", "42601", "42P01", "53300",
            "55000", "57014", "57P04", "58P01", "XX000", "",
        ] {
            assert!(!needs_new_session(state, "transformStmt"), "{state}");
        }
        assert!(needs_new_session("0A000", REPLAN_ROUTINE));
        assert!(!needs_new_session("42501", REPLAN_ROUTINE));
    }
}
