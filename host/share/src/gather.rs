//! What a session changed, as edits of a tree; its contents on their way into the store.

use brio_session::{ChangeKind, Kind, RelPath, View};
use brio_store::tree::{Edits, Entry, Key, Tree};
use brio_store::{Content, Sealed, Upload, content};

use crate::{Place, ShareError};

/// Bytes that wait to be handed to the store.
const WAITING: usize = 8 << 20;

/// A session's changes.
pub(crate) struct Gathered {
    pub(crate) edits: Edits,
    /// New contents: started, not finished.
    pub(crate) upload: Upload,
}

/// Reads what a view changed of the tree that it stands on. A file that was only given another
/// mode is not read. The view shows the tree from `subdir` down.
pub(crate) fn gather(
    place: &Place,
    view: &View,
    base: &Tree,
    subdir: &RelPath,
) -> Result<Gathered, ShareError> {
    let at_root = ShareError::path(&RelPath::root());
    let changes = view.changes().map_err(at_root)?.changes;
    let mut sending = Sending::new(place);
    let mut edits = Edits::new();
    for change in &changes {
        let key = Key::new(subdir.join_path(&change.path).as_bytes())?;
        let Some(after) = change.after else {
            edits.insert(key, None);
            continue;
        };
        let mode = (after.mode & 0o7777) as u16;
        let entry = match (after.kind, change.kind) {
            (Kind::Dir, _) => Entry::Dir { mode },
            (Kind::File, ChangeKind::MetaOnly) => match place.runner.run({
                let (base, key) = (base.clone(), key.clone());
                async move { base.get(&key).await }
            })? {
                Some(Entry::File { content, .. }) => Entry::File { mode, content },
                _ => Entry::File { mode, content: sending.file(view, &change.path)? },
            },
            (Kind::File, _) => Entry::File { mode, content: sending.file(view, &change.path)? },
            (Kind::Symlink, _) => {
                let target = view
                    .read_link_at(&view.root(), change.path.as_bytes())
                    .map_err(ShareError::path(&change.path))?;
                Entry::Link { target }
            }
            (Kind::Other, _) => continue,
        };
        edits.insert(key, Some(entry));
    }
    let upload = sending.finish()?;
    Ok(Gathered { edits, upload })
}

/// Contents on their way: read and compressed here, sent by the store's threads.
struct Sending<'a> {
    place: &'a Place,
    upload: Option<Upload>,
    waiting: Vec<Sealed>,
    bytes: usize,
}

impl<'a> Sending<'a> {
    fn new(place: &'a Place) -> Self {
        let upload = Some(place.project.upload());
        Self { place, upload, waiting: Vec::new(), bytes: 0 }
    }

    fn file(&mut self, view: &View, path: &RelPath) -> Result<Content, ShareError> {
        let fail = ShareError::path(path);
        let source = view.change_content(path).and_then(|c| c.source()).map_err(fail)?;
        let compression = self.place.project.options().compression;
        let content = content::split(source.reader(), &mut |hash, bytes| {
            self.bytes += bytes.len();
            self.waiting.push(Sealed::blob(hash, &bytes, compression)?);
            match self.bytes >= WAITING {
                true => self.send(),
                false => Ok(()),
            }
        })?;
        Ok(content)
    }

    fn send(&mut self) -> brio_store::Result<()> {
        let (Some(mut upload), waiting) = (self.upload.take(), std::mem::take(&mut self.waiting))
        else {
            return Ok(());
        };
        self.bytes = 0;
        self.upload = Some(self.place.runner.run(async move {
            for sealed in waiting {
                upload.add(sealed).await?;
            }
            Ok::<_, brio_store::Error>(upload)
        })?);
        Ok(())
    }

    fn finish(mut self) -> brio_store::Result<Upload> {
        self.send()?;
        Ok(self.upload.unwrap_or_else(|| self.place.project.upload()))
    }
}
