//! What everything is reached from.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use futures_util::future::try_join_all;
use time::OffsetDateTime;

use super::Kept;
use crate::backend::PAGE;
use crate::doc::{self, LandingDoc, SessionDoc};
use crate::history::parse_landing;
use crate::objects::list_all;
use crate::upload::{PIN_HOLDS, Pin};
use crate::{AttemptId, Base, Content, Error, Hash, Project, Result};

/// Documents that are read at a time.
pub(crate) const AT_ONCE: usize = 32;

/// What a tree is needed for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Root {
    /// The head.
    Head,
    /// The landing at a position.
    Landing(u64),
    /// A session, by its id.
    Session(String),
    /// A note, by its path.
    Note(String),
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("the head"),
            Self::Landing(position) => write!(f, "landing {position}"),
            Self::Session(id) => write!(f, "session {id}"),
            Self::Note(path) => write!(f, "note {path}"),
        }
    }
}

/// What of a landing's record the collector needs.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) id: AttemptId,
    previous: Option<AttemptId>,
    old: Hash,
    new: Hash,
    base: Base,
}

/// The roots, as they were read last.
pub(crate) struct Roots {
    /// What is pinned, by hash.
    pub(crate) pins: Vec<Hash>,
    /// Sessions that are there.
    pub(crate) sessions: BTreeSet<String>,
    /// The position of the head.
    pub(crate) position: u64,
    /// Trees.
    pub(crate) trees: Vec<(Root, Hash)>,
    /// Contents that notes name.
    pub(crate) contents: Vec<(Root, Content)>,
}

/// Reads roots, again and again; landings that were read once stay known.
#[derive(Default)]
pub(crate) struct Looker {
    /// The landings up to the head, by position.
    pub(crate) chain: BTreeMap<u64, Link>,
}

impl Looker {
    /// In an order in which nothing slips through that moves meanwhile: a pin goes when a ref has
    /// moved, and what lands moves from a session to the head, and from there to the history.
    pub(crate) async fn look(
        &mut self,
        project: &Project,
        now: OffsetDateTime,
        kept: Kept,
    ) -> Result<Roots> {
        let pins = pins(project, now).await?;
        let notes = project.note_roots().await?;
        let contents = notes.into_iter().map(|(path, c)| (Root::Note(path), c)).collect();
        let mut trees = Vec::new();
        let mut sessions = BTreeSet::new();
        let ids = project.sessions().await?;
        for some in ids.chunks(AT_ONCE) {
            let read = try_join_all(some.iter().map(|id| session(project, id))).await?;
            for (id, doc) in some.iter().zip(read) {
                let Some(doc) = doc else { continue };
                sessions.insert(id.clone());
                let landed = doc.landing.and_then(|l| l.tree);
                let needed = [Some(doc.base.tree), Some(doc.tree), landed];
                trees.extend(needed.into_iter().flatten().map(|t| (Root::Session(id.clone()), t)));
            }
        }
        let head = project.head().await?;
        trees.push((Root::Head, head.tree()));
        self.follow(project, head.position(), head.landing()).await?;
        let floor = kept.floor(now);
        for (position, link) in self.chain.range(floor..) {
            let root = Root::Landing(*position);
            trees.push((root.clone(), link.new));
            trees.push((root.clone(), link.old));
            if link.base.position >= floor {
                trees.push((root, link.base.tree));
            }
        }
        Ok(Roots { pins, sessions, position: head.position(), trees, contents })
    }

    /// Reads the records that are new up to the head, and checks that each names the one before.
    async fn follow(
        &mut self,
        project: &Project,
        position: u64,
        landing: Option<&AttemptId>,
    ) -> Result<()> {
        let o = project.objects();
        // What is known stays so: positions only grow.
        let known = self.chain.last_key_value().map_or(0, |(p, _)| *p);
        let mut after = Some(format!("{}~", o.keys.landings_at(known).trim_end_matches('-')));
        let mut found: HashMap<(u64, AttemptId), Result<Link>> = HashMap::new();
        if known >= position {
            return Ok(());
        }
        loop {
            let page = o.backend.list(&o.keys.landings(), after.as_deref()).await?;
            let wanted: Vec<&str> = page
                .iter()
                .map(|l| l.key.as_str())
                .filter(|key| parse_landing(key).is_some_and(|(p, _)| p <= position))
                .collect();
            for some in wanted.chunks(AT_ONCE) {
                let read = try_join_all(some.iter().map(|key| o.backend.get(key))).await?;
                for (key, bytes) in some.iter().zip(read) {
                    let (Some(bytes), Some((p, id))) = (bytes, parse_landing(key)) else {
                        continue;
                    };
                    found.insert((p, AttemptId::of(id)), link(&bytes, key));
                }
            }
            if page.len() < PAGE || wanted.len() < page.len() {
                break;
            }
            after = page.last().map(|l| l.key.clone());
        }
        let mut wanted = landing.cloned();
        for p in (known + 1..=position).rev() {
            let missing = || Error::Missing { what: format!("the record of landing {p}") };
            let id = wanted.ok_or_else(missing)?;
            let link = found.remove(&(p, id.clone())).ok_or_else(missing)??;
            wanted = link.previous.clone();
            self.chain.insert(p, link);
        }
        let before = self.chain.get(&known).map(|link| &link.id);
        if known > 0 && wanted.as_ref() != before {
            let what = format!("the record of landing {}", known + 1);
            return Err(Error::corrupt(what, "it follows another landing than the one before it"));
        }
        Ok(())
    }
}

fn link(bytes: &[u8], key: &str) -> Result<Link> {
    let r: LandingDoc = doc::decode(bytes, key)?;
    let base = Base { tree: r.base_tree, position: r.base_position };
    Ok(Link { id: r.id, previous: r.previous, old: r.old_tree, new: r.new_tree, base })
}

async fn session(project: &Project, id: &str) -> Result<Option<SessionDoc>> {
    match project.session(id).await {
        Ok(doc) => Ok(Some(doc)),
        Err(Error::NoSession { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

/// What pins name that are not too old.
async fn pins(project: &Project, now: OffsetDateTime) -> Result<Vec<Hash>> {
    let o = project.objects();
    let listed = list_all(&o.backend, &o.keys.pins()).await?;
    let mut out = Vec::new();
    for pin in listed.iter().filter(|l| now - l.modified < PIN_HOLDS) {
        if let Some(bytes) = o.backend.get(&pin.key).await? {
            let pin: Pin = doc::decode(&bytes, &pin.key)?;
            out.extend(pin.objects);
        }
    }
    Ok(out)
}
