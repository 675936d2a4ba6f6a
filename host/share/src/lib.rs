//! Sessions in a shared store.
//!
//! `brio-store` knows trees and no sessions, `brio-landing` sessions and no store; this is where
//! they meet: a session reads from a tree (`lower`), is pushed to the store (`gather`, `push`)
//! and opened from it on another machine (`fetch`, `fill`), and lands on the project's head
//! (`land`, `attempts`), whose history is told and taken back (`history`). A directory that
//! belongs to the project follows the head (`bound`).
//!
//! Calls block, and may come from any thread, those of an executor too: the store's work is done
//! on threads of its own ([`Runner`]).

mod ahead;
mod attempts;
mod bound;
mod error;
mod fetch;
mod fill;
mod gather;
mod heads;
mod history;
mod land;
mod lower;
mod push;
mod story;
mod trees;

pub use bound::Updated;
pub use brio_store::Runner;
pub use error::ShareError;
pub use land::{LandOptions, LandedOnHead};
pub use push::PushedSession;
pub use story::Story;
pub use trees::{Opener, Place, Places};
