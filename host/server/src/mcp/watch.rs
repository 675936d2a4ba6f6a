//! What is told of resources: what this process does to them, at once; what others do, by looking
//! while somebody listens.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use brio_host::SessionEvent;
use brio_host::project::NotePath;
use tokio::sync::broadcast;

use super::desk::{Desk, Owner};
use super::failure::Failure;
use super::name::Named;
use super::resources::{self, Key};
use crate::news::Ear;

/// Changes that a connection which is slow to be told may be behind; beyond, it is told that
/// anything may have changed.
const BEHIND: usize = 256;

/// Something that concerns who looks at resources.
#[derive(Debug, Clone)]
pub(super) enum News {
    /// One came or went.
    List,
    /// A session changed, by its id.
    Session(String),
    /// A note of a session was written.
    NoteOf(String, NotePath),
    /// A note of a project was written, by the root of its domain.
    Note(PathBuf, NotePath),
    /// A resource that somebody subscribed to changed.
    Resource(String),
}

impl News {
    /// Whether it is about a resource. A beginning of its id names a session too.
    fn is_about(&self, uri: &str) -> bool {
        match (self, Named::parse(uri)) {
            (Self::Resource(changed), _) => changed == uri,
            (Self::Session(id), Some(Named::Session(named) | Named::Diff(named))) => {
                id.starts_with(&named)
            }
            (Self::NoteOf(id, path), Some(Named::NoteOf(named, of))) => {
                id.starts_with(&named) && *path == of
            }
            (Self::Note(root, path), Some(Named::Note(base, of))) => {
                base.starts_with(root) && *path == of
            }
            _ => false,
        }
    }

    /// Those of some resources that it is about.
    pub(super) fn of(&self, uris: impl IntoIterator<Item = String>) -> Vec<String> {
        uris.into_iter().filter(|uri| self.is_about(uri)).collect()
    }
}

/// What one connection subscribed to.
pub(super) type Subscribed = Mutex<BTreeSet<String>>;

/// Who listens, and what was there when it was last looked.
pub(super) struct Watch {
    news: broadcast::Sender<News>,
    listeners: Mutex<Vec<Weak<Subscribed>>>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    listed: Option<BTreeSet<Key>>,
    /// How often this process changed that: a list that was read meanwhile may be an older one.
    changes: u64,
    stamps: HashMap<String, Option<String>>,
}

impl Default for Watch {
    fn default() -> Self {
        let (news, _) = broadcast::channel(BEHIND);
        Self { news, listeners: Mutex::default(), known: Mutex::default() }
    }
}

impl Watch {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What anybody subscribed to.
    fn wanted(&self) -> BTreeSet<String> {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|one| one.strong_count() > 0);
        let all = listeners.iter().filter_map(Weak::upgrade);
        all.flat_map(|one| subscriptions(&one)).collect()
    }
}

pub(super) fn subscriptions(of: &Subscribed) -> BTreeSet<String> {
    of.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Desk {
    /// What is told from here on to a connection with these subscriptions.
    pub(super) fn listener(&self, subscribed: &Arc<Subscribed>) -> broadcast::Receiver<News> {
        let mut all = self.watch.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::downgrade(subscribed));
        self.watch.news.subscribe()
    }

    /// Remembers how things are, so that what is another way later is told: the list, and some
    /// resources. Reads.
    pub(super) fn remember(&self, uris: impl IntoIterator<Item = String>) {
        let unknown = self.watch.known().listed.is_none();
        if unknown && let Ok((keys, mut known)) = self.listed_now() {
            known.listed.get_or_insert(keys);
        }
        for uri in uris {
            let mut known = self.watch.known();
            let stamp = || self.stamp(&uri);
            known.stamps.entry(uri.clone()).or_insert_with(stamp);
        }
    }

    /// Tells of something that this process did. Looking later does not find it again.
    pub(super) fn tell(&self, news: News) {
        for uri in news.of(self.watch.wanted()) {
            let mut known = self.watch.known();
            let stamp = self.stamp(&uri);
            known.stamps.insert(uri, stamp);
        }
        // Nobody need listen.
        let _ = self.watch.news.send(news);
    }

    fn stamp(&self, uri: &str) -> Option<String> {
        Named::parse(uri).and_then(|named| resources::stamp(self, &named))
    }

    /// The list as it is while what is known is held: nothing that this process did is missing.
    fn listed_now(&self) -> Result<(BTreeSet<Key>, MutexGuard<'_, Known>), Failure> {
        let mut changes = self.watch.known().changes;
        loop {
            let keys = resources::keys(self)?;
            let known = self.watch.known();
            if known.changes == changes {
                return Ok((keys, known));
            }
            changes = known.changes;
        }
    }

    /// Remembers that something came to the list or went; whether that was not known.
    fn listed(&self, key: Key, there: bool) -> bool {
        let mut known = self.watch.known();
        known.changes += 1;
        match &mut known.listed {
            Some(listed) if there => listed.insert(key),
            Some(listed) => listed.remove(&key),
            None => true,
        }
    }

    /// Tells of a note that was written, or removed.
    pub(super) fn note_written(&self, owner: &Owner, path: NotePath, there: bool) {
        match owner {
            Owner::Session(session) => self.tell(News::NoteOf(session.id().to_string(), path)),
            Owner::Base(base) => {
                let Ok(Some(root)) = self.root(base) else { return };
                let uri = Named::Note(root.clone(), path.clone()).to_string();
                self.tell(News::Note(root, path));
                if self.listed(resources::note_key(&uri), there) {
                    let _ = self.watch.news.send(News::List);
                }
            }
        }
    }
}

impl Ear for Desk {
    fn hear(&self, event: SessionEvent) {
        match event {
            // Whoever looked may have found it before it was heard of: it is told all the same.
            SessionEvent::Begun(id) => {
                self.listed(resources::session_key(id.as_str()), true);
                let _ = self.watch.news.send(News::List);
            }
            SessionEvent::State(id, state) => {
                self.tell(News::Session(id.to_string()));
                if matches!(state.as_str(), "landed" | "rolled-back") {
                    self.listed(resources::session_key(id.as_str()), false);
                    let _ = self.watch.news.send(News::List);
                }
            }
            SessionEvent::RunBegan(id) | SessionEvent::RunEnded(id) => {
                self.tell(News::Session(id.to_string()));
            }
            _ => {}
        }
    }

    fn look(&self) {
        if self.watch.news.receiver_count() == 0 {
            let mut known = self.watch.known();
            (known.listed, known.stamps) = (None, HashMap::new());
            return;
        }
        match self.listed_now() {
            Ok((keys, mut known)) => {
                let before = known.listed.replace(keys.clone());
                drop(known);
                if before.is_some_and(|before| before != keys) {
                    let _ = self.watch.news.send(News::List);
                }
            }
            Err(failure) => tracing::debug!(code = failure.code, "there is no list to look at"),
        }
        let wanted = self.watch.wanted();
        self.watch.known().stamps.retain(|uri, _| wanted.contains(uri));
        for uri in wanted {
            // Nothing of this process comes between the look and what is known by it.
            let mut known = self.watch.known();
            let stamp = self.stamp(&uri);
            let before = known.stamps.insert(uri.clone(), stamp.clone());
            if before.is_some_and(|before| before != stamp) {
                let _ = self.watch.news.send(News::Resource(uri));
            }
        }
    }
}
