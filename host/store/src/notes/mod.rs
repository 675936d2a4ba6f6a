//! Notes in a store: each a ref with all its versions; what is large of them lies in blobs.

mod doc;
mod name;

use bytes::Bytes;
use futures_util::future::try_join_all;
use time::OffsetDateTime;

pub use self::doc::{NoteBody, NoteDoc, NoteOrigin, NoteVersion};
pub(crate) use self::name::{Named, read as named};
use crate::backend::{PAGE, Swap, Version};
use crate::content::split;
use crate::upload::Settled;
use crate::{AttemptId, Content, Error, Hash, Project, Result, Sealed, Upload};

/// A content that is no longer lies in the document: who reads the note needs one request.
const SMALL: usize = 16 << 10;
/// Contents in one document, in bytes; older ones go into blobs.
const HERE: usize = 64 << 10;
/// So many of them at most by one write: few enough to be stored each by itself.
const MOVED: usize = 12;
/// Documents that are read at a time.
const AT_ONCE: usize = 16;

/// A note that was read, and can be moved from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNote {
    /// What it says.
    pub doc: NoteDoc,
    version: Version,
}

/// What is to be a note's newest version. Its content is in the store, and stays there until a
/// ref names it.
pub struct NewNote {
    /// The same for each try of one write.
    attempt: AttemptId,
    body: NoteBody,
    stored: Option<Settled>,
}

/// Who writes a note, and when.
#[derive(Debug, Clone)]
pub struct NoteBy {
    /// When.
    pub at: OffsetDateTime,
    /// A machine.
    pub by: Option<String>,
    /// What write it is.
    pub origin: Option<String>,
}

/// What became of a try to write a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoteSwap {
    /// It is this version.
    Done(u64),
    /// It is not written yet, and this is what is there now; perhaps what was there before.
    Lost(Option<StoredNote>),
}

impl Project {
    /// A note with its versions, by one request; removed ones too. `None`: there never was one.
    ///
    /// # Errors
    /// The store's; `PROJECT_UNKNOWN`.
    pub async fn read_note(&self, path: &str) -> Result<Option<StoredNote>> {
        let found = self.note_at(&name::of(path)?).await?;
        if found.is_none() {
            // Where there is no project nothing is known of its notes.
            self.check().await?;
        }
        Ok(found)
    }

    async fn note_at(&self, name: &str) -> Result<Option<StoredNote>> {
        let o = self.objects();
        let key = o.keys.note(name);
        let Some((bytes, version)) = o.backend.read_ref(&key).await? else { return Ok(None) };
        Ok(Some(StoredNote { doc: NoteDoc::decode(&bytes, name, &key)?, version }))
    }

    /// What a version says; `None`: it is a removal.
    ///
    /// # Errors
    /// The store's; `STORE_CORRUPT`, `STORE_MISSING`.
    pub async fn note_content(&self, path: &str, version: &NoteVersion) -> Result<Option<String>> {
        let bad = |why: &str| Error::corrupt(format!("version {} of {path}", version.version), why);
        match &version.body {
            NoteBody::Removed => Ok(None),
            NoteBody::Here { content, hash } => match Hash::of(content.as_bytes()) == *hash {
                true => Ok(Some(content.clone())),
                false => Err(bad("its content does not match its hash")),
            },
            NoteBody::Blobs(content) => {
                let mut bytes = Vec::new();
                self.file(*content).copy_to(&mut bytes).await?;
                String::from_utf8(bytes).map(Some).map_err(|_| bad("it is no text"))
            }
        }
    }

    /// Stores what is to be a note's content; `None` is a removal.
    ///
    /// # Errors
    /// The store's.
    pub async fn new_note(&self, attempt: AttemptId, content: Option<String>) -> Result<NewNote> {
        let (body, stored) = match content {
            None => (NoteBody::Removed, None),
            Some(content) if content.len() <= SMALL => {
                let hash = Hash::of(content.as_bytes());
                (NoteBody::Here { content, hash }, None)
            }
            Some(content) => {
                let mut upload = self.upload();
                let content = self.cut_into(&mut upload, content).await?;
                (NoteBody::Blobs(content), Some(upload.finish().await?))
            }
        };
        Ok(NewNote { attempt, body, stored })
    }

    async fn cut_into(&self, upload: &mut Upload, content: String) -> Result<Content> {
        let compression = self.options().compression;
        // Megabytes to hash and to compress are no work for who waits for answers.
        let cut = move || {
            let mut sealed = Vec::new();
            let content = split(content.as_bytes(), &mut |hash, bytes: Bytes| {
                sealed.push(Sealed::blob(hash, &bytes, compression)?);
                Ok(())
            })?;
            Ok::<_, Error>((content, sealed))
        };
        let (content, sealed) = match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                let done = runtime.spawn_blocking(cut).await;
                done.map_err(|e| Error::host("a note's content", std::io::Error::other(e)))??
            }
            Err(_) => cut()?,
        };
        for object in sealed {
            upload.add(object).await?;
        }
        Ok(content)
    }

    /// Moves a note from what was read (`None`: there never was one) to a new version. Durable
    /// when it is done. The same `new` may be tried again from what was found, however often: it
    /// is written once, also where answers are lost.
    ///
    /// # Errors
    /// The store's; then nobody knows whether it is written. `STORE_BUSY` when `new` was made too
    /// long ago.
    pub async fn swap_note(
        &self,
        path: &str,
        from: Option<&StoredNote>,
        new: &NewNote,
        by: &NoteBy,
    ) -> Result<NoteSwap> {
        let name = name::of(path)?;
        let was = from.map(|from| &from.doc);
        // An earlier try of ours may have been done after we looked.
        if let Some(version) = was.and_then(|doc| doc.made_by(&new.attempt)) {
            return Ok(NoteSwap::Done(version));
        }
        let last = was.and_then(NoteDoc::newest).map_or(0, |v| v.version);
        let version = last.checked_add(1);
        let version = version.ok_or_else(|| Error::corrupt(path, "it has no version left"))?;
        let newest = NoteVersion {
            version,
            attempt: new.attempt.clone(),
            at: by.at,
            by: by.by.clone(),
            origin: by.origin.clone(),
            body: new.body.clone(),
        };
        let mut next = NoteDoc::next(path, was, newest);
        let moved = self.move_old(&mut next).await?;
        let o = self.objects();
        let value = crate::doc::encode(&next)?;
        if [&new.stored, &moved].into_iter().flatten().any(|stored| !stored.holds()) {
            return Err(Error::Busy { what: format!("note {path}"), attempts: 1 });
        }
        let expected = from.map(|from| &from.version);
        let done = match o.backend.swap_ref(&o.keys.note(&name), expected, value).await? {
            Swap::Done(_) => NoteSwap::Done(version),
            // Perhaps it was won, and the answer was lost; perhaps others wrote since.
            Swap::Lost => {
                let now = self.note_at(&name).await?;
                match now.as_ref().and_then(|now| now.doc.made_by(&new.attempt)) {
                    Some(version) => NoteSwap::Done(version),
                    None => NoteSwap::Lost(now),
                }
            }
        };
        if let (NoteSwap::Done(_), Some(moved)) = (&done, moved) {
            moved.release().await;
        }
        Ok(done)
    }

    /// Puts the oldest contents into blobs where the document has too much in it.
    async fn move_old(&self, doc: &mut NoteDoc) -> Result<Option<Settled>> {
        let mut here = 0;
        let mut over = Vec::new();
        for (i, v) in doc.versions.iter().enumerate() {
            if let NoteBody::Here { content, hash } = &v.body {
                here += content.len();
                // What is damaged stays as it is, and is found when it is read.
                if i > 0 && here > HERE && Hash::of(content.as_bytes()) == *hash {
                    over.push((i, content.clone()));
                }
            }
        }
        over.drain(..over.len().saturating_sub(MOVED));
        if over.is_empty() {
            return Ok(None);
        }
        let mut upload = self.upload();
        for (place, content) in over {
            let content = self.cut_into(&mut upload, content).await?;
            if let Some(version) = doc.versions.get_mut(place) {
                version.body = NoteBody::Blobs(content);
            }
        }
        Ok(Some(upload.finish().await?))
    }

    /// Shows the notes that fit, removed ones too, in no order that means anything.
    ///
    /// # Errors
    /// The store's; `PROJECT_UNKNOWN`.
    pub async fn list_notes(
        &self,
        fits: &(dyn Fn(&str) -> bool + Send + Sync),
        see: &mut (dyn FnMut(StoredNote) + Send),
    ) -> Result<()> {
        let o = self.objects();
        let prefix = o.keys.notes();
        let mut after: Option<String> = None;
        loop {
            let page = o.backend.list_refs(&prefix, after.as_deref()).await?;
            if page.is_empty() && after.is_none() {
                self.check().await?;
            }
            let its = page.iter().filter_map(|key| {
                let name = key.strip_prefix(&prefix)?;
                let wanted = match named(name) {
                    Some(Named::Path(path)) => fits(&path),
                    Some(Named::Hashed) => true,
                    None => {
                        tracing::debug!("{key} is no note's name, and is left out");
                        false
                    }
                };
                wanted.then(|| name.to_owned())
            });
            let names: Vec<String> = its.collect();
            for some in names.chunks(AT_ONCE) {
                let read = try_join_all(some.iter().map(|name| self.note_at(name))).await?;
                read.into_iter().flatten().filter(|n| fits(&n.doc.path)).for_each(&mut *see);
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().cloned();
        }
    }

    /// What of the store notes need, with their paths: of every version that is kept the content,
    /// if it lies in blobs. All of it or an error, so a collector may trust it; it must be asked
    /// after the pins were read, for a pin goes when its note has moved.
    ///
    /// # Errors
    /// As [`list_notes`](Self::list_notes); a note that cannot be understood is one.
    pub async fn note_roots(&self) -> Result<Vec<(String, Content)>> {
        let mut out = Vec::new();
        self.list_notes(&|_| true, &mut |note| {
            out.extend(note.doc.contents().map(|content| (note.doc.path.clone(), content)));
        })
        .await?;
        Ok(out)
    }
}

impl NewNote {
    /// It is written, and a ref names it: the protection of what was stored for it ends. One that
    /// is not released ends by itself.
    pub async fn release(self) {
        if let Some(stored) = self.stored {
            stored.release().await;
        }
    }
}
