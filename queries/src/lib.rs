//! The stored SQL, and what loads, checks and runs it: file to rows. Knows no alert.
