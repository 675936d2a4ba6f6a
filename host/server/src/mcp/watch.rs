//! What is told of resources: what this process does to them, at once; what others do, by looking
//! while somebody listens.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use brio_host::SessionEvent;
use brio_host::project::NotePath;
use tokio::sync::broadcast;

use super::desk::{Desk, Owner};
use super::name::Named;
use super::resources::{self, Key};

/// How often it is looked, unless that costs over one part in `SHARE` of a processor.
const EVERY: Duration = Duration::from_secs(1);
const SHARE: u32 = 50;
const SELDOM: Duration = Duration::from_secs(60);
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
        if unknown && let Ok(keys) = resources::keys(self) {
            self.watch.known().listed.get_or_insert(keys);
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

    /// Tells that something came to the list or went.
    fn tell_listed(&self, key: Key, there: bool) {
        let new = match &mut self.watch.known().listed {
            Some(listed) if there => listed.insert(key),
            Some(listed) => listed.remove(&key),
            None => true,
        };
        if new {
            let _ = self.watch.news.send(News::List);
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
                self.tell_listed(resources::note_key(&uri), there);
            }
        }
    }

    /// Listens to what this process does to sessions, and looks for what others do, until the
    /// desk is gone.
    pub(super) fn listen(self: &Arc<Self>) -> std::io::Result<()> {
        let (events, desk) = (self.brio.session_events(), Arc::downgrade(self));
        let tell = move || {
            for event in events {
                let Some(desk) = desk.upgrade() else { return };
                desk.hear(event);
            }
        };
        std::thread::Builder::new().name("brio-mcp-events".into()).spawn(tell)?;
        let desk = Arc::downgrade(self);
        let look = move || {
            let mut pause = EVERY;
            loop {
                std::thread::sleep(pause);
                let Some(desk) = desk.upgrade() else { return };
                let begun = Instant::now();
                desk.look();
                pause = (begun.elapsed() * SHARE).clamp(EVERY, SELDOM);
            }
        };
        std::thread::Builder::new().name("brio-mcp-watch".into()).spawn(look)?;
        Ok(())
    }

    fn hear(&self, event: SessionEvent) {
        match event {
            SessionEvent::Begun(id) => {
                self.tell_listed(resources::session_key(id.as_str()), true);
            }
            SessionEvent::State(id, state) => {
                self.tell(News::Session(id.to_string()));
                if matches!(state.as_str(), "landed" | "rolled-back") {
                    self.tell_listed(resources::session_key(id.as_str()), false);
                }
            }
            SessionEvent::RunBegan(id) | SessionEvent::RunEnded(id) => {
                self.tell(News::Session(id.to_string()));
            }
            _ => {}
        }
    }

    /// Looks for what others did since it was last looked.
    fn look(&self) {
        if self.watch.news.receiver_count() == 0 {
            *self.watch.known() = Known::default();
            return;
        }
        match resources::keys(self) {
            Ok(keys) => {
                let before = self.watch.known().listed.replace(keys.clone());
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
