//! Notes: whether each can be read, and what of the store its versions need.

use super::{Damage, Fsck, Severity};
use crate::content::WHOLE;
use crate::gc::Root;
use crate::notes::{Named, NoteBody, NoteDoc, named};
use crate::objects::list_refs;
use crate::{Hash, Result};

impl Fsck<'_> {
    /// Reads all notes, those that were removed too.
    pub(super) async fn notes(&mut self) -> Result<()> {
        let o = self.project.objects();
        let prefix = o.keys.notes();
        for key in list_refs(&o.backend, &prefix).await? {
            let Some(name) = key.strip_prefix(&prefix) else { continue };
            // What is no note's name is ignored by everybody.
            let Some(named) = named(name) else { continue };
            let Some((bytes, _)) = o.backend.read_ref(&key).await? else { continue };
            match NoteDoc::decode(&bytes, name, &key) {
                Ok(doc) => self.note(&doc),
                Err(e) => {
                    let damage = Damage::Ref { name: key.clone(), why: e.to_string() };
                    let finding = self.find(damage, Severity::Error, None);
                    if let Named::Path(path) = named {
                        finding.needed(&Root::Note(path), None);
                    }
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, doc: &NoteDoc) {
        let root = Root::Note(doc.path.clone());
        for v in doc.versions() {
            let why = match &v.body {
                NoteBody::Removed => continue,
                NoteBody::Here { content, hash } => match Hash::of(content.as_bytes()) == *hash {
                    true => continue,
                    false => "its content does not match its hash",
                },
                NoteBody::Blobs(content) if (content.depth == 0) == (content.size <= WHOLE) => {
                    self.contents.push((root.clone(), *content));
                    continue;
                }
                NoteBody::Blobs(_) => "the depth of its content does not fit the size",
            };
            let (path, version) = (doc.path.clone(), v.version);
            let damage = Damage::Note { path, version, why: why.to_owned() };
            self.find(damage, Severity::Error, None).needed(&root, None);
        }
    }
}
