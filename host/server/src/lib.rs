//! Ways to reach Brio that are no command line. Each is a feature, each only translates: what is
//! shown is `brio-host`'s.
//! [`json`] is what they show as the command line does.
#[cfg(any(feature = "grpc", feature = "mcp"))]
mod bases;
#[cfg(any(feature = "grpc", feature = "mcp", feature = "metrics", feature = "nfs"))]
mod bind;
#[cfg(any(feature = "grpc", feature = "mcp"))]
mod calls;
#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "mcp")]
pub mod mcp;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(any(feature = "grpc", feature = "mcp"))]
mod news;
#[cfg(all(feature = "nfs", unix))]
pub mod nfs;
#[cfg(feature = "json")]
pub mod time;
#[cfg(any(feature = "grpc", feature = "mcp"))]
mod waiting;

#[cfg(any(feature = "grpc", feature = "mcp", feature = "metrics", feature = "nfs"))]
pub use bind::BindError;
