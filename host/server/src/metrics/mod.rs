//! What a home's server has done and holds, for Prometheus.
//!
//! [`Exposition`] writes it down, in the text format of OpenMetrics; [`Endpoint`] answers requests
//! for it, by HTTP/1.1.

mod endpoint;
#[cfg(all(feature = "nfs", unix))]
mod exports;
mod exposition;
#[cfg(target_os = "linux")]
mod process;

pub use endpoint::{Endpoint, Serving};
pub use exposition::Exposition;
