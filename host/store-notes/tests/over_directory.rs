//! What `brio-project` promises of every place for notes, over notes in a store that is a
//! directory: its own tests.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unexpected_cfgs, reason = "the feature is brio-project's")]

mod common;

use std::sync::Arc;

use brio_project::Notes;
use brio_store::backend::Directory;
use common::over::beneath;
use common::{Shaky, notes_of, scratch};

/// Nobody looks into what these tests give: notes in a directory take its place.
fn over(_: Arc<dyn Notes>) -> Arc<dyn Notes> {
    let its = scratch();
    let mut shaky = Shaky::over(Arc::new(Directory::open(its.path()).unwrap()));
    shaky.its = Some(its);
    shaky.lose(3);
    Arc::new(notes_of(&Arc::new(shaky), "laptop"))
}

#[path = "../../project/tests/backends.rs"]
mod taken_in;

#[test]
fn handles_of_one_directory_lose_no_update_and_find_it_again() {
    let at = scratch();
    let open = || Arc::new(Shaky::over(Arc::new(Directory::open(at.path()).unwrap())));
    std::thread::scope(|scope| {
        for w in 0..8 {
            let store = open();
            store.lose(3);
            scope.spawn(move || {
                let notes = notes_of(&store, &format!("process-{w}"));
                for n in 0..10 {
                    let line = format!("{w}.{n}\n");
                    let add = &mut |note: Option<&brio_project::Note>| {
                        Ok(format!("{}{line}", note.map_or("", |note| &note.content)))
                    };
                    notes.modify(&common::path("shared/note"), None, add).unwrap();
                }
            });
        }
    });
    let notes = notes_of(&open(), "reader");
    let note = notes.read(&common::path("shared/note")).unwrap().unwrap();
    let lines: std::collections::BTreeSet<&str> = note.content.lines().collect();
    assert_eq!((note.version, lines.len(), note.content.lines().count()), (80, 80, 80));
}
