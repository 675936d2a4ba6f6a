//! The writer lease.
