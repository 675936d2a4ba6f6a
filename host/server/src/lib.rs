//! Ways to reach Brio that are no command line. Each is a feature, each only translates: what is
//! shown is `brio-host`'s.
//! [`json`] is what they show as the command line does.
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "mcp")]
pub mod mcp;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "json")]
pub mod time;
