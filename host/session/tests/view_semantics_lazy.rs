//! What `view_semantics` says of a view, over contents that are fetched as they are read.
#![cfg(unix)]

#[path = "view_semantics.rs"]
mod view_semantics;
