//! What `brio-project`'s own tests stand on here: the notes that they look into lie in a store.

use std::sync::Arc;

use brio_project::Notes;

use super::{Shaky, notes_of};

/// Notes in a new store, of which every third answer to a write is lost.
pub fn in_store() -> Arc<dyn Notes> {
    let shaky = Shaky::default();
    shaky.lose(3);
    Arc::new(notes_of(&Arc::new(shaky), "laptop"))
}

/// What lies beneath the notes that are looked into.
pub fn beneath() -> Option<Arc<dyn Notes>> {
    Some(in_store())
}

/// What the tests that are taken in stand on: just that.
pub fn over(notes: Arc<dyn Notes>) -> Arc<dyn Notes> {
    notes
}
