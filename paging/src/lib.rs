//! What alerting and watchdogs share, without PostgreSQL: the state machine, dedup keys, channels, retry maths.
