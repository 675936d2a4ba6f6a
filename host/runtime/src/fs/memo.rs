//! What was last learned of one name.
//!
//! A libc asks for `metadata-hash-at` after every `stat-at` and for every entry of a
//! directory that it reads. Both were known a moment before; any change forgets them.

use brio_session::{Kind, Meta};

/// The identity of a file: the number of its mount, its inode there.
pub(super) type Id = (u32, u64);

#[derive(Default)]
pub(super) struct Memo(Option<Known>);

struct Known {
    dir: u64,
    path: String,
    follow: Follow,
    id: Id,
}

/// For which look-ups an answer holds.
#[derive(Clone, Copy, PartialEq)]
enum Follow {
    /// The name is no link, so it makes no difference.
    Either,
    Only(bool),
}

impl Memo {
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }

    /// After a stat: `dir` is the serial of the directory's descriptor.
    pub(super) fn stat(&mut self, dir: u64, path: String, follow: bool, mount: u32, meta: &Meta) {
        // Without following, what is no link now answers both ways.
        let follow = if !follow && meta.kind != Kind::Symlink {
            Follow::Either
        } else {
            Follow::Only(follow)
        };
        self.0 = Some(Known { dir, path, follow, id: (mount, meta.ino) });
    }

    /// After an entry was read: entries are never followed.
    pub(super) fn entry(&mut self, dir: u64, name: &str, id: Id) {
        self.0 = Some(Known { dir, path: name.into(), follow: Follow::Only(false), id });
    }

    pub(super) fn get(&self, dir: u64, path: &str, follow: bool) -> Option<Id> {
        let known = self.0.as_ref()?;
        let fits = known.follow == Follow::Either || known.follow == Follow::Only(follow);
        (known.dir == dir && fits && known.path == path).then_some(known.id)
    }
}
