//! The allocation API: what a question's parameters mean, and how rated rows become its answer. Pure, but for
//! [`store`], which reads the rows.

pub mod dimension;
pub mod filter;
pub mod idle;
pub mod naming;
pub mod opencost;
pub mod question;
pub mod shape;
pub mod share;
pub mod store;
pub mod window;

pub use question::{AllocationParameters, AllocationQuery};
