//! Ways to reach Brio that are no command line. Each is a feature, each only translates: what is
//! shown is `brio-host`'s.
#[cfg(feature = "mcp")]
pub mod mcp;
#[cfg(feature = "metrics")]
pub mod metrics;
