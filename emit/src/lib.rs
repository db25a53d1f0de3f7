//! The emit room.
