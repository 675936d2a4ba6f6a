//! Machines that land, store sessions, take old contents up again, throw sessions away, and write
//! notes.

use std::sync::Arc;

use brio_store::backend::Backend as _;
use brio_store::tree::{Edits, Entry, Key, diff};
use brio_store::{
    AttemptId, Base, Content, Hash, Landing, NewSession, NoteBy, NoteSwap, Project, Result,
    SessionDoc, SessionLanding, SessionState, Store, StoreOptions, Upload, Why,
};
use bytes::Bytes;

use crate::sim::{Dice, Flaw, Port, Sim, step};

const DIRS: u64 = 4;
const FILES: u64 = 6;

/// Contents that come and go.
pub(crate) struct Pool {
    small: Vec<Bytes>,
    /// Files of chunks, each of them one of the small ones.
    large: Vec<(Content, Bytes, Vec<usize>)>,
}

impl Pool {
    pub(crate) fn new(sim: &Sim) -> Arc<Self> {
        let small: Vec<Bytes> =
            (0..150).map(|n| format!("content {n}").into_bytes().into()).collect();
        let large = (0..12usize).map(|n| {
            let parts: Vec<usize> = (0..3).map(|i| (n * 11 + i * 5) % small.len()).collect();
            let mut list = Vec::new();
            let mut all = Vec::new();
            for part in &parts {
                list.extend_from_slice(&(small[*part].len() as u32).to_le_bytes());
                list.extend_from_slice(Hash::of(&small[*part]).as_bytes());
                all.extend_from_slice(&small[*part]);
            }
            sim.oracle(|o| o.knows(&list));
            let content = Content {
                size: all.len() as u64,
                hash: Hash::of(&all),
                depth: 1,
                root: Hash::of(&list),
            };
            (content, list.into(), parts)
        });
        let large = large.collect();
        Arc::new(Self { small, large })
    }

    /// A content, added to an upload: one that comes again, or one that never does.
    async fn any(&self, again: bool, dice: &mut Dice, upload: &mut Upload) -> Result<Content> {
        if !again {
            let bytes = Bytes::from(format!("once {}", dice.next()));
            let hash = Hash::of(&bytes);
            upload.blob(hash, bytes.clone()).await?;
            return Ok(Content { size: bytes.len() as u64, hash, depth: 0, root: hash });
        }
        if dice.once_in(6) {
            let (content, list, parts) = &self.large[dice.below(self.large.len() as u64) as usize];
            for part in parts {
                let bytes = &self.small[*part];
                upload.blob(Hash::of(bytes), bytes.clone()).await?;
            }
            upload.blob(content.root, list.clone()).await?;
            return Ok(*content);
        }
        let bytes = &self.small[dice.below(self.small.len() as u64) as usize];
        let hash = Hash::of(bytes);
        upload.blob(hash, bytes.clone()).await?;
        Ok(Content { size: bytes.len() as u64, hash, depth: 0, root: hash })
    }
}

fn key(path: &str) -> Key {
    Key::new(path.as_bytes()).unwrap()
}

fn any_key(dice: &mut Dice) -> Key {
    key(&format!("d{}/f{}", dice.below(DIRS), dice.below(FILES)))
}

/// A name at which a leaf ends once it is large enough.
fn last_name(dir: &str) -> String {
    (0..)
        .map(|n| format!("z{n:04}"))
        .find(|name| {
            let mut bytes = vec![0];
            bytes.extend_from_slice(&(dir.len() as u16).to_le_bytes());
            bytes.extend_from_slice(dir.as_bytes());
            bytes.push(name.len() as u8);
            bytes.extend_from_slice(name.as_bytes());
            Hash::of(&bytes).as_bytes()[0] == 0
        })
        .unwrap()
}

/// A project of directories that have a leaf each.
pub(crate) async fn first(sim: Arc<Sim>, pool: Arc<Pool>) {
    let options = StoreOptions {
        compression: brio_store::Compression::None,
        clock: sim.clone(),
        chance: sim.clone(),
        ..StoreOptions::default()
    };
    let store = Store::new(Port::new(&sim, "first".into(), None), options);
    let (p, _) = store.create(&"test/project".parse().unwrap()).await.unwrap();
    let base = p.head().await.unwrap().base();
    let (mut edits, mut upload) = (Edits::new(), p.upload());
    for d in 0..DIRS {
        let dir = format!("d{d}");
        edits.insert(key(&dir), Some(Entry::Dir { mode: 0o755 }));
        for name in ["p", "q", last_name(&dir).as_str()] {
            let target = format!("{dir}{name}").repeat(4000 / (dir.len() + name.len()));
            let link = Entry::Link { target: target.into_bytes() };
            edits.insert(key(&format!("{dir}/{name}")), Some(link));
        }
    }
    let content = pool.any(false, &mut Dice(0), &mut upload).await.unwrap();
    edits.insert(key("d0/f0"), Some(Entry::File { mode: 0o644, content }));
    p.land(base, &edits, &Why::default(), upload).await.unwrap();
}

/// Some share what is kept of contents, and none is ever gone for good.
const NOTES: u64 = 6;

fn note_path(n: u64) -> String {
    format!("notes/{n}")
}

/// Reads every version of every note.
pub(crate) async fn read_notes(p: Project) -> Result<()> {
    for n in 0..NOTES {
        let path = note_path(n);
        let Some(note) = p.read_note(&path).await? else { continue };
        for version in note.doc.versions() {
            p.note_content(&path, version).await?;
        }
    }
    Ok(())
}

/// Reads all of a tree.
pub(crate) async fn read(p: Project, tree: Hash) -> Result<()> {
    let mut files = Vec::new();
    p.tree(tree)
        .each(|_, e| {
            if let Entry::File { content, .. } = e {
                files.push(*content);
            }
        })
        .await?;
    for content in files {
        p.file(content).copy_to(&mut std::io::sink()).await?;
    }
    Ok(())
}

struct Writer {
    sim: Arc<Sim>,
    pool: Arc<Pool>,
    dice: Dice,
    project: Project,
    /// Where it stood before.
    bases: Vec<Base>,
    mine: Option<SessionDoc>,
    who: String,
    made: u64,
}

/// Works until it dies.
pub(crate) async fn writer(
    sim: Arc<Sim>,
    pool: Arc<Pool>,
    who: String,
    dice: Dice,
    flaw: Option<Flaw>,
) {
    let project = crate::machine(&sim, who.clone(), flaw);
    let bases = Vec::new();
    let mut w = Writer { sim, pool, dice, project, bases, mine: None, who, made: 0 };
    loop {
        for _ in 0..w.dice.below(10) {
            step().await;
        }
        // What goes wrong is tried again, or not; the oracle sees what it left.
        let done = match w.dice.below(13) {
            0..3 => w.land().await,
            3..6 => w.push().await,
            6 if w.dice.once_in(3) => w.land_session().await,
            6..10 => w.throw_away().await,
            _ => w.note().await,
        };
        if done.is_err() {
            step().await;
        }
    }
}

impl Writer {
    async fn base(&mut self) -> Result<Base> {
        let now = self.project.head().await?.base();
        self.bases.push(now);
        match self.dice.once_in(4) {
            true => Ok(self.bases[self.dice.below(self.bases.len() as u64) as usize]),
            false => Ok(now),
        }
    }

    async fn edits(&mut self, again: bool, tree: Hash, upload: &mut Upload) -> Result<Edits> {
        let mut edits = Edits::new();
        let many = if self.dice.once_in(5) { 20 } else { 1 + self.dice.below(3) };
        for _ in 0..many {
            let at = any_key(&mut self.dice);
            let new = match self.dice.below(8) {
                0 => None,
                // What lies elsewhere is moved here, and not brought again.
                1 | 2 => {
                    let from = any_key(&mut self.dice);
                    match self.project.tree(tree).get(&from).await? {
                        Some(e) => Some(e),
                        None => continue,
                    }
                }
                _ => {
                    let content = self.pool.any(again, &mut self.dice, upload).await?;
                    Some(Entry::File { mode: 0o644, content })
                }
            };
            edits.insert(at, new);
        }
        Ok(edits)
    }

    async fn land(&mut self) -> Result<()> {
        let base = self.base().await?;
        let mut upload = self.project.upload();
        // What landed stays: few of the contents that come and go are to be needed for good.
        let again = self.dice.once_in(10);
        let edits = self.edits(again, base.tree, &mut upload).await?;
        self.project.land(base, &edits, &Why::default(), upload).await?;
        Ok(())
    }

    async fn push(&mut self) -> Result<()> {
        let (mut doc, from) = match self.mine.take() {
            Some(doc) => (doc.clone(), doc.tree),
            None => {
                let base = self.base().await?;
                self.made += 1;
                let id =
                    format!("{}-{}-{}", self.who.replace(' ', "-"), self.sim.millis(), self.made);
                let at = brio_store::Clock::now(&*self.sim);
                (SessionDoc::new(&id, base, at, at, NewSession::default())?, base.tree)
            }
        };
        let mut upload = self.project.upload();
        let edits = self.edits(true, from, &mut upload).await?;
        doc.tree = self.project.edited(from, &edits, &mut upload).await?;
        let doc = self.project.store_session(&doc, upload.finish().await?).await?;
        self.mine = self.dice.once_in(2).then(|| doc.clone());
        self.project.tell_session_tree(&doc).await
    }

    async fn any_session(&mut self) -> Result<Option<SessionDoc>> {
        let ids = self.project.sessions().await?;
        match ids.len() as u64 {
            0 => Ok(None),
            n => self.project.session(&ids[self.dice.below(n) as usize]).await.map(Some),
        }
    }

    /// Lands what somebody stored, without its contents.
    async fn land_session(&mut self) -> Result<()> {
        let Some(mut doc) = self.any_session().await? else { return Ok(()) };
        let (base, tree) = (self.project.tree(doc.base.tree), self.project.tree(doc.tree));
        let changes = diff(&base, &tree).await?;
        let edits: Edits = changes.into_iter().map(|d| (d.key, d.after)).collect();
        let upload = self.project.upload();
        let landing = self.project.land(doc.base, &edits, &Why::default(), upload).await?;
        if let Landing::Landed(l) = landing {
            doc.state = SessionState::Landed;
            doc.landing = Some(SessionLanding {
                id: l.record.id.clone(),
                position: Some(l.record.position),
                tree: Some(l.record.new_tree),
            });
            let settled = self.project.upload().finish().await?;
            self.project.store_session(&doc, settled).await?;
        }
        Ok(())
    }

    async fn throw_away(&mut self) -> Result<()> {
        let ids = self.project.sessions().await?;
        if ids.is_empty() {
            return Ok(());
        }
        let id = &ids[self.dice.below(ids.len() as u64) as usize];
        let name = format!("projects/test/project/sessions/{id}/metadata.json");
        let port = Port::new(&self.sim, self.who.clone(), None);
        if let Some((_, version)) = port.read_ref(&name).await? {
            port.delete_ref(&name, &version).await?;
        }
        Ok(())
    }

    /// Writes one of a few notes, or removes it; others write it too. A content is in the
    /// document, or so much that it goes into a blob, then or later.
    async fn note(&mut self) -> Result<()> {
        let path = note_path(self.dice.below(NOTES));
        let size = [1000, 15_000, 17_000][self.dice.below(3) as usize];
        let which = self.dice.below(25);
        let content = match self.dice.once_in(8) {
            true => None,
            false => Some(format!("note {which}, ").repeat(size / 9)),
        };
        let by = NoteBy { at: brio_store::Clock::now(&*self.sim), by: None, origin: None };
        let new = self.project.new_note(AttemptId::random()?, content).await?;
        let mut from = self.project.read_note(&path).await?;
        for _ in 0..4 {
            match self.project.swap_note(&path, from.as_ref(), &new, &by).await? {
                NoteSwap::Done(_) => {
                    new.release().await;
                    break;
                }
                NoteSwap::Lost(now) => from = now,
            }
        }
        Ok(())
    }
}
