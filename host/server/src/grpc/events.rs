//! What becomes of sessions, while somebody watches, and of tasks, as the server of the home tells
//! it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use brio_host::tasks::{Base, Event as TaskTold, Task};
use brio_host::{
    FindError, RegistryError, SessionError, SessionEvent, StopToken, Subscription, Supervisor,
    Update,
};
use futures_core::Stream as _;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

use super::answers::Teller;
use super::desk::{Desk, stopped};
use super::fault::Fault;
use super::proto::watch_events_response::Event;
use super::status::shortened;
use super::{convert, proto, sessions};
use crate::news::Ear;

/// Events that who watches may be behind.
const BEHIND: usize = 1024;
/// Those who watch at one time.
const WATCHERS: usize = 256;
/// Bytes of the text of a task's event.
const LONGEST: usize = 4096;

#[derive(Debug, Clone)]
enum News {
    Told(Event),
    /// There will be no more.
    End,
}

/// Who watches, and which sessions there were when it was last looked.
pub(super) struct Watch {
    news: Sender<News>,
    known: Mutex<Known>,
    /// Whoever asks for the list has this: one after the other.
    looks: Mutex<()>,
}

#[derive(Default)]
struct Known {
    /// States by id; `None`: nobody watches.
    states: Option<BTreeMap<String, String>>,
    /// What this process did since the list was last asked for: that may be an older one.
    heard: BTreeMap<String, String>,
    ended: bool,
}

impl Default for Watch {
    fn default() -> Self {
        let (news, _) = channel(BEHIND);
        Self { news, known: Mutex::default(), looks: Mutex::default() }
    }
}

impl Watch {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: Event) {
        let _ = self.news.send(News::Told(event));
    }

    /// Ends all streams.
    pub(super) fn end(&self) {
        self.known().ended = true;
        let _ = self.news.send(News::End);
    }
}

fn changed(id: &str, word: &str) -> Event {
    let state = convert::state(word).into();
    Event::SessionChanged(proto::SessionChanged { session_id: id.to_owned(), state })
}

fn has_ended(word: &str) -> bool {
    matches!(word, "landed" | "rolled-back")
}

impl Ear for Desk {
    fn hear(&self, event: SessionEvent) {
        if self.watch.known().states.is_none() {
            return;
        }
        match event {
            SessionEvent::Begun(id) => {
                let row = match self.session(id.as_str()).map(|session| session.row()) {
                    Ok(Ok(row)) => row,
                    // It was over before it was looked at.
                    Ok(Err(_)) => return self.missed(),
                    Err(fault) if fault.code == "SESSION_ENDED" => return self.missed(),
                    // It is none of those that clients may see.
                    Err(_) => return,
                };
                let session = Some(self.told(&row));
                let mut known = self.watch.known();
                known.heard.insert(row.id.clone(), row.state.clone());
                let Some(states) = &mut known.states else { return };
                if let Entry::Vacant(place) = states.entry(row.id) {
                    place.insert(row.state);
                    self.watch.tell(Event::SessionBegan(proto::SessionBegan { session }));
                }
            }
            SessionEvent::State(id, word) => {
                let mut known = self.watch.known();
                known.heard.insert(id.to_string(), word.clone());
                let Some(states) = &mut known.states else { return };
                let Some(state) = states.get_mut(id.as_str()) else { return };
                if std::mem::replace(state, word.clone()) != word {
                    self.watch.tell(changed(id.as_str(), &word));
                }
                if has_ended(&word) {
                    states.remove(id.as_str());
                }
            }
            SessionEvent::RunBegan(id) => self.run(id.as_str(), true),
            SessionEvent::RunEnded(id) => self.run(id.as_str(), false),
            _ => {}
        }
    }

    fn look(&self) {
        {
            let mut known = self.watch.known();
            // Who begins to watch is counted before it asks what is known.
            if self.watch.news.receiver_count() == 0 {
                known.states = None;
            }
            if known.states.is_none() {
                return;
            }
        }
        if let Err(error) = self.look_again() {
            tracing::debug!(%error, "sessions cannot be looked at");
        }
    }
}

impl Desk {
    fn missed(&self) {
        self.watch.tell(Event::Missed(proto::EventsMissed { count: 0 }));
    }

    fn run(&self, id: &str, running: bool) {
        let known = self.watch.known();
        if known.states.as_ref().is_some_and(|states| states.contains_key(id)) {
            let session_id = id.to_owned();
            self.watch.tell(Event::SessionRun(proto::SessionRun { session_id, running }));
        }
    }

    fn looks(&self) -> MutexGuard<'_, ()> {
        self.watch.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_again(&self) -> Result<(), RegistryError> {
        let _looks = self.looks();
        self.watch.known().heard.clear();
        let rows = sessions::open(self, None)?;
        let Some(was) = self.watch.known().states.clone() else { return Ok(()) };
        let mut found = Vec::new();
        for row in &rows {
            let event = match was.get(&row.id) {
                None => {
                    let session = Some(self.told(row));
                    Event::SessionBegan(proto::SessionBegan { session })
                }
                Some(state) if *state != row.state => changed(&row.id, &row.state),
                Some(_) => continue,
            };
            found.push((row.id.clone(), Some(row.state.clone()), event));
        }
        let now: BTreeSet<_> = rows.iter().map(|row| row.id.as_str()).collect();
        for id in was.keys().filter(|id| !now.contains(id.as_str())) {
            found.push((id.clone(), None, changed(id, &self.ending(id))));
        }
        let mut known = self.watch.known();
        let Known { states: Some(states), heard, .. } = &mut *known else { return Ok(()) };
        // What was heard of meanwhile is told, and newer than the list.
        for (id, state, event) in found.into_iter().filter(|(id, ..)| !heard.contains_key(id)) {
            match state {
                Some(state) => states.insert(id, state),
                None => states.remove(&id),
            };
            self.watch.tell(event);
        }
        Ok(())
    }

    /// How a session ended that is not in the list any more.
    fn ending(&self, id: &str) -> String {
        match self.brio.find(id, None) {
            Err(FindError::Ended { state, .. }) => state,
            // The index does not know it yet.
            Err(FindError::Session(SessionError::Ended { state, .. })) => state.as_str().to_owned(),
            _ => "lost".to_owned(),
        }
    }

    /// From here on is told what happens. Reads.
    fn watching(&self) -> Result<Receiver<News>, Fault> {
        if self.watch.news.receiver_count() >= WATCHERS {
            let what = format!("{WATCHERS} clients watch already; watch with fewer, or later");
            return Err(Fault::new("GRPC_WATCHERS", what));
        }
        let told = self.watch.news.subscribe();
        let _looks = self.looks();
        {
            let mut known = self.watch.known();
            match known.ended {
                true => return Err(stopped()),
                false if known.states.is_some() => return Ok(told),
                // From here on it is heard what this process does.
                false => (known.states, known.heard) = (Some(BTreeMap::new()), BTreeMap::new()),
            }
        }
        let rows = sessions::open(self, None);
        let mut known = self.watch.known();
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => {
                known.states = None;
                return Err(error.into());
            }
        };
        let Known { states: Some(states), heard, .. } = &mut *known else { return Ok(told) };
        for row in rows {
            let state = heard.get(&row.id).cloned().unwrap_or(row.state);
            if !has_ended(&state) {
                states.insert(row.id, state);
            }
        }
        Ok(told)
    }

    /// Whether clients may be told of a task: it is one on a directory that they may use.
    fn may_tell(&self, supervisor: &Supervisor, job: &str) -> bool {
        let job = supervisor.job(job).ok();
        let task = job.and_then(|job| serde_json::from_str::<Task>(&job.task).ok());
        match task.and_then(|task| task.base) {
            Some(Base::Directory(dir)) => self.may_use(&dir.canonicalize().unwrap_or(dir)),
            _ => false,
        }
    }
}

/// What a stream of events is opened with. Reads.
pub(super) struct Opened {
    told: Receiver<News>,
    /// Only that session.
    only: Option<String>,
    tasks: Option<(Supervisor, Subscription)>,
}

pub(super) fn open(
    desk: &Desk,
    asked: &proto::WatchEventsRequest,
    stop: &StopToken,
) -> Result<Opened, Fault> {
    let only = match asked.session_id.as_str() {
        "" => None,
        id => Some(desk.session(id)?.id().to_string()),
    };
    let told = desk.watching()?;
    let tasks = asked.tasks.then(|| {
        let supervisor = desk.brio.supervisor(Vec::new())?;
        let subscription = supervisor.subscribe(stop)?;
        Ok::<_, brio_host::SuperviseError>((supervisor, subscription))
    });
    Ok(Opened { told, only, tasks: tasks.transpose()? })
}

/// Tells what happens until the client is gone or the server ends.
pub(super) async fn watch(desk: Arc<Desk>, opened: Opened, to: Teller<proto::WatchEventsResponse>) {
    let Opened { mut told, only, mut tasks } = opened;
    let mut say = Some(Event::Watching(proto::Watching {}));
    let mut known = BTreeMap::new();
    loop {
        if let Some(event) = say.take()
            && concerns(&event, only.as_deref())
        {
            let (time_ms, event) = (now(), Some(event));
            if !to.say(proto::WatchEventsResponse { time_ms, event }).await {
                return;
            }
        }
        tokio::select! {
            news = told.recv() => match news {
                Ok(News::Told(event)) => say = Some(event),
                Ok(News::End) | Err(RecvError::Closed) => return to.fail(stopped()).await,
                Err(RecvError::Lagged(count)) => {
                    say = Some(Event::Missed(proto::EventsMissed { count }));
                }
            },
            update = next(&mut tasks) => match update {
                Some(update) => say = task(&desk, &tasks, &mut known, update).await,
                None => tasks = None,
            },
            () = to.closed() => return,
        }
    }
}

fn concerns(event: &Event, only: Option<&str>) -> bool {
    let Some(only) = only else { return true };
    match event {
        Event::SessionBegan(began) => {
            began.session.as_ref().is_some_and(|session| session.session_id == only)
        }
        Event::SessionChanged(changed) => changed.session_id == only,
        Event::SessionRun(run) => run.session_id == only,
        Event::Watching(_) | Event::Missed(_) | Event::Task(_) => true,
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The next update of tasks; never, where nobody asked.
async fn next(tasks: &mut Option<(Supervisor, Subscription)>) -> Option<Update> {
    match tasks {
        Some((_, updates)) => poll_fn(|cx| Pin::new(&mut *updates).poll_next(cx)).await,
        None => std::future::pending().await,
    }
}

/// An update, if it is one of a task that clients may be told of.
async fn task(
    desk: &Arc<Desk>,
    tasks: &Option<(Supervisor, Subscription)>,
    known: &mut BTreeMap<String, bool>,
    update: Update,
) -> Option<Event> {
    let event = match update {
        Update::Event(event) => event,
        Update::Missed { count } => return Some(Event::Missed(proto::EventsMissed { count })),
        _ => return None,
    };
    let ended = matches!(event, TaskTold::Ended { .. });
    let told = of_task(event)?;
    let job = told.task_id.clone();
    let may = match known.get(&job) {
        Some(may) => *may,
        None => {
            let (desk, supervisor, job) = (desk.clone(), tasks.as_ref()?.0.clone(), job.clone());
            let ask = move || desk.may_tell(&supervisor, &job);
            tokio::task::spawn_blocking(ask).await.unwrap_or(false)
        }
    };
    match ended {
        true => known.remove(&job),
        false => known.insert(job, may),
    };
    may.then_some(Event::Task(told))
}

fn of_task(event: TaskTold) -> Option<proto::TaskEvent> {
    let mut told = proto::TaskEvent::default();
    let (job, what, message) = match event {
        TaskTold::Began { job, attempt, session } => {
            told.session_id = session;
            (job, "began", format!("attempt {attempt}"))
        }
        TaskTold::PartBegan { job, part } => {
            told.part = part;
            (job, "part-began", String::new())
        }
        TaskTold::Part { job, part, failed, message } => {
            told.part = part;
            let failed = failed.map(|kind| format!("{}: ", kind.as_str())).unwrap_or_default();
            (job, "part", failed + &message)
        }
        TaskTold::Waits { job, session, .. } => {
            told.session_id = session;
            (job, "waits", String::new())
        }
        TaskTold::Again { job, why, .. } => (job, "again", why),
        TaskTold::Ended { job, outcome } => (job, "ended", outcome.name),
        TaskTold::Error { job: Some(job), code, message } => {
            let message = message.strip_prefix(&format!("{code}: ")).unwrap_or(&message).to_owned();
            (job, "error", format!("{code}: {message}"))
        }
        _ => return None,
    };
    let message = shortened(&message, LONGEST);
    Some(proto::TaskEvent { task_id: job, what: what.to_owned(), message, ..told })
}
