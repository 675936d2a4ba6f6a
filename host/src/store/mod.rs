//! Projects in stores: how a home reaches them, and what is done with a directory that belongs
//! to one.

mod access;
mod bind;
mod error;
mod here;
#[cfg(target_os = "linux")]
mod tree;

pub(crate) use access::Stores;
pub use access::{LOCAL, StoreEnv, StoreSettings};
pub use bind::{Bound, InitStore};
pub use error::StoreError;
pub use here::{HeadInfo, ProjectHere, Pushed, Standing};
#[cfg(target_os = "linux")]
pub use tree::{CheckoutRequest, ImportOptions, Imported, StoreStatus};
