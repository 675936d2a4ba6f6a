//! Which landing each line of a file of the head came with.

use brio_landing::{Blame, BlameError, Origin};
use brio_session::RelPath;
use brio_store::tree::{Entry, Key};
use brio_store::{ChangeWord, Content, Hash, Head, LandingDoc, Project};

use super::changes::{Changes, UNDOS};
use crate::push::to_time;
use crate::{Place, ShareError};

impl Place {
    /// Which landing each line of a file came with, as the head has it now. A file that a landing
    /// moved is followed, and what was undone and done again is of the landing that did it first.
    ///
    /// # Errors
    /// `PATH_MISSING`, `NOT_A_FILE`, `BINARY`, and the store's.
    pub fn blame(&self, file: &RelPath) -> Result<Blame, ShareError> {
        if file.is_root() {
            return Err(BlameError::NotAFile { path: file.clone() }.into());
        }
        let head = self.head()?.0;
        let key = Key::new(file.as_bytes())?;
        let content = match self.entry(head.tree(), &key)? {
            None => return Err(BlameError::Missing { path: file.clone() }.into()),
            Some(Entry::File { content, .. }) => content,
            Some(_) => return Err(BlameError::NotAFile { path: file.clone() }.into()),
        };
        let text = self.text(content)?;
        let kept = self.run(|p: Project| async move { p.kept_from().await })?;
        let on = head.clone();
        let undos = self.run(|p: Project| async move { p.undos(&on, 0, UNDOS).await })?;
        let changes = Changes::new(self, &head, kept, file, false, &undos)?;
        let mut trace = Trace { place: self, head, kept, undos, key, changes, content };
        let before = Origin::Before { landing: kept.max(1) };
        Blame::of_versions(file, &text, &before, || trace.older())
    }

    fn entry(&self, tree: Hash, key: &Key) -> Result<Option<Entry>, ShareError> {
        let key = key.clone();
        Ok(self.run(|p: Project| async move { p.tree(tree).get(&key).await })?)
    }

    fn text(&self, content: Content) -> Result<Vec<u8>, ShareError> {
        Ok(self.run(|p: Project| async move {
            let mut text = Vec::new();
            p.file(content).copy_to(&mut text).await?;
            Ok(text)
        })?)
    }
}

/// What a landing made of a file, and what that was before, if it was a text.
type Older = (Origin, Option<Vec<u8>>);

/// A file on its way back.
struct Trace<'a> {
    place: &'a Place,
    head: Head,
    kept: u64,
    undos: Vec<LandingDoc>,
    /// Where it was, at the point that was reached.
    key: Key,
    changes: Changes<'a>,
    /// And what.
    content: Content,
}

impl Trace<'_> {
    /// The landing that made it what it is at the point that was reached, and what it was before.
    fn older(&mut self) -> Result<Option<Older>, ShareError> {
        while let Some(record) = self.changes.next()? {
            if record.position < self.kept {
                return Ok(None);
            }
            let before = self.place.entry(record.old_tree, &self.key)?;
            if self.goes_back(&record, before.as_ref())? {
                continue;
            }
            if let Some(Entry::File { content, .. }) = before {
                if content == self.content {
                    continue; // the mode
                }
                let text = self.place.text(content)?;
                if !text.contains(&0) {
                    self.content = content;
                    return Ok(Some((origin(&record), Some(text))));
                }
            }
            match self.moved_from(&record)? {
                Some(from) => self.follow(from, record.position - 1)?,
                None => return Ok(Some((origin(&record), None))),
            }
        }
        Ok(None)
    }

    /// Whether a landing is an undo that put the file back to what it was: then the lines are from
    /// where they were from then.
    fn goes_back(
        &mut self,
        record: &LandingDoc,
        before: Option<&Entry>,
    ) -> Result<bool, ShareError> {
        let Some(of) = record.why.undo_of.filter(|of| *of >= self.kept.max(1)) else {
            return Ok(false);
        };
        let head = self.head.clone();
        let then = self.place.run(|p: Project| async move { p.past(of - 1, &head).await })?;
        let then = self.place.entry(then.base.tree, &self.key)?;
        let same = matches!(then, Some(Entry::File { content, .. }) if content == self.content);
        let changed =
            !matches!(before, Some(Entry::File { content, .. }) if *content == self.content);
        if same && changed {
            self.changes.go_back(of - 1)?;
        }
        Ok(same && changed)
    }

    /// The path from which a landing moved the file: it removed the same content there.
    fn moved_from(&self, record: &LandingDoc) -> Result<Option<Key>, ShareError> {
        let removes = |changes: &Vec<brio_store::PathChange>| {
            changes.iter().any(|c| c.change == ChangeWord::Removed)
        };
        if !record.changes.as_ref().is_none_or(removes) {
            return Ok(None);
        }
        let of = record.clone();
        let all = self.place.run(|p: Project| async move { p.changes_of(&of).await })?;
        let same = |e: &Option<Entry>| matches!(e, Some(Entry::File { content, .. }) if *content == self.content);
        Ok(all.into_iter().find(|d| d.after.is_none() && same(&d.before)).map(|d| d.key))
    }

    fn follow(&mut self, from: Key, position: u64) -> Result<(), ShareError> {
        let path = RelPath::new(from.path()).map_err(ShareError::path(&RelPath::root()))?;
        let (place, head) = (self.place, self.head.clone());
        self.changes = Changes::new(place, &head, self.kept, &path, false, &self.undos)?;
        self.changes.go_back(position)?;
        self.key = from;
        Ok(())
    }
}

fn origin(record: &LandingDoc) -> Origin {
    Origin::Landing {
        landing: record.position,
        time: to_time(record.at),
        session: record.why.session.as_deref().and_then(|s| s.parse().ok()),
        goal: record.why.goal.clone(),
    }
}
