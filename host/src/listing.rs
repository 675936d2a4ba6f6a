//! Every session of every domain that the home knows, and the index rebuilt by looking.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use brio_landing::{Domain, DomainError, LeaseStatus, RunInfo, SessionInfo, SessionRecord, State};
use brio_registry::{DomainRow, RegistryError, SessionRow};
use brio_session::Time;

use crate::session::base_of;
use crate::{Brio, SessionHandle};

/// Which sessions are listed.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    /// Also those that have ended, as far as the index remembers.
    pub ended: bool,
    /// Only those of the domain that this directory lies in.
    pub base: Option<PathBuf>,
}

/// What is open, by id.
pub(crate) type Open = HashMap<String, (SessionHandle, SessionInfo)>;

/// A session in a listing, with what only its own directory knows.
#[derive(Debug, Clone)]
pub struct Listed {
    /// As the index shows it.
    pub row: SessionRow,
    /// Who works in it.
    pub lease: LeaseStatus,
    /// The run that does; where the lease is dead, the one that did.
    pub run: Option<RunInfo>,
    /// When somebody last took or gave back the right to write in it; `None`: it cannot be asked.
    pub used_at: Option<Time>,
    /// How many paths it changed; `None`: it cannot be told.
    pub changes: Option<u64>,
    /// Bytes that it takes on disk; `None`: it cannot be told.
    pub bytes: Option<u64>,
}

impl Brio {
    /// As [`sessions`](Self::sessions), with what each session's own directory knows: costs what
    /// each changed.
    ///
    /// # Errors
    /// When the index cannot be used.
    pub fn list(&self, filter: &ListFilter) -> Result<Vec<Listed>, RegistryError> {
        let (rows, mut there) = self.asked(filter)?;
        let listed = rows.into_iter().map(|row| {
            let (handle, info) = there.remove(&row.id).unzip();
            let count = |handle: &SessionHandle| handle.changes().ok().map(|set| set.changes.len());
            Listed {
                row,
                changes: handle.as_ref().and_then(count).map(|n| n as u64),
                bytes: handle.as_ref().and_then(|handle| handle.disk_usage().ok()),
                lease: info.as_ref().map_or(LeaseStatus::Free, |info: &SessionInfo| info.lease),
                used_at: info.as_ref().map(|info| info.used_at),
                run: info.and_then(|info| info.run),
            }
        });
        Ok(listed.collect())
    }

    /// As [`sessions`](Self::sessions), with what each domain said of those that are open.
    pub(crate) fn asked(
        &self,
        filter: &ListFilter,
    ) -> Result<(Vec<SessionRow>, Open), RegistryError> {
        if let Some(base) = &filter.base {
            self.look_at(base);
        }
        let there = self.refresh_index();
        let claims = filter.base.as_ref().map(|b| self.claims_of(b)).unwrap_or_default();
        let mut rows = self.registry().sessions()?;
        rows.retain(|r| {
            (filter.ended || !r.has_ended()) && (filter.base.is_none() || claims.contains(&r.claim))
        });
        Ok((rows, there))
    }

    /// Lists sessions, oldest first. Each domain is asked, so that what is shown is true now;
    /// a domain that cannot be asked shows its sessions as `lost`.
    ///
    /// # Errors
    /// When the index cannot be used.
    pub fn sessions(&self, filter: &ListFilter) -> Result<Vec<SessionRow>, RegistryError> {
        Ok(self.asked(filter)?.0)
    }

    /// How many sessions are open on a directory, above it or below it, of whatever process: as
    /// the index knows, without looking at each.
    pub fn existing_sessions(&self, base: &Path) -> usize {
        let base = base.canonicalize().unwrap_or_else(|_| base.to_owned());
        let open = self.registry().open_bases().unwrap_or_else(|error| {
            tracing::warn!(%error, "whether there are other sessions is not known");
            Vec::new()
        });
        open.iter().filter(|other| other.starts_with(&base) || base.starts_with(other)).count()
    }

    /// The domain that a directory lies in, and the one that it has in the home.
    fn claims_of(&self, base: &Path) -> Vec<String> {
        let own = self.domain(base, false).map(|(domain, _)| domain.claim_id().to_owned());
        let beside = Domain::claim_in_home(base, &self.domain_options(base, false));
        own.into_iter().chain(beside.ok().flatten()).collect()
    }

    /// Enters the domain of a directory in the index; not being one is no error.
    pub fn look_at(&self, base: &Path) {
        if let Ok((domain, _)) = self.domain(base, false) {
            self.ask(&domain);
        }
    }

    /// Makes the index anew: from the domains that the home knows, and those that `dirs` lie in.
    /// How many domains and sessions it has then. Sessions that have ended are forgotten; the
    /// journals of their bases are not.
    ///
    /// # Errors
    /// When the index cannot be made; what a domain holds is untouched by all of this.
    pub fn rebuild_index(&self, dirs: &[PathBuf]) -> Result<(usize, usize), RegistryError> {
        let known = self.known_domains();
        self.registry().clear()?;
        dirs.iter().for_each(|dir| self.look_at(dir));
        for place in known {
            self.index(|r| r.upsert_domain(&place));
        }
        self.refresh_index();
        Ok((self.registry().domains()?.len(), self.registry().sessions()?.len()))
    }

    /// Every domain that the index or the home knows.
    pub(crate) fn known_domains(&self) -> Vec<DomainRow> {
        let mut known = self.registry().domains().unwrap_or_default();
        let in_home = Domain::all_in_home(&self.domain_options(self.home(), false));
        let in_home = in_home.into_iter().map(|(claim, path)| DomainRow { claim, path });
        for place in domains_in(&self.home().join("domains")).into_iter().chain(in_home) {
            if !known.iter().any(|d| d.claim == place.claim) {
                known.push(place);
            }
        }
        known
    }

    /// Asks every domain that the index or the home knows, and says what is open there.
    pub(crate) fn refresh_index(&self) -> Open {
        let mut open = Open::new();
        for place in self.known_domains() {
            match self.known_domain(&place) {
                Ok(domain) if domain.claim_id() == place.claim => {
                    let sessions = self.ask(&domain).into_iter().map(|info| {
                        let handle =
                            SessionHandle::new(self.clone(), domain.clone(), info.id.clone());
                        (info.id.to_string(), (handle, info))
                    });
                    open.extend(sessions);
                }
                // Moved, unmounted, replaced or deleted: its sessions are not forgotten.
                Ok(_)
                | Err(
                    DomainError::Missing { .. }
                    | DomainError::NoDomain { .. }
                    | DomainError::StateLost { .. }
                    | DomainError::BaseReplaced { .. },
                ) => self.index(|r| r.mark_domain(&place.claim, "lost")),
                Err(error) => {
                    tracing::warn!(base = %place.path.display(), %error, "a domain could not be asked");
                }
            }
        }
        open
    }

    /// Brings the index in line with a domain, and says what is open there.
    fn ask(&self, domain: &Domain) -> Vec<SessionInfo> {
        let sessions = match domain.sessions() {
            Ok(sessions) => sessions,
            Err(error) => {
                tracing::warn!(base = %domain.root_path().display(), %error, "sessions could not be read");
                return Vec::new();
            }
        };
        let claim = domain.claim_id();
        let rows: Vec<_> = sessions.iter().map(|info| row(claim, info)).collect();
        let place = DomainRow { claim: claim.to_owned(), path: domain.root_path().to_owned() };
        self.index(|r| r.rebuild(&place, &rows));
        sessions
    }
}

/// A session as the index shows it.
pub(crate) fn row(claim: &str, info: &SessionInfo) -> SessionRow {
    let dead = matches!(info.lease, LeaseStatus::Dead { .. });
    let state = if dead && info.state == State::Open { "dead" } else { info.state.as_str() };
    SessionRow {
        id: info.id.to_string(),
        claim: claim.to_owned(),
        base: base_of(&info.base, &info.subdir),
        state: state.to_owned(),
        goal: info.goal.clone(),
        agent: info.agent.clone(),
        task_id: info.task_id.clone(),
        parent: info.parent.as_ref().map(ToString::to_string),
        created_at: millis(info.created_at),
    }
}

/// A session that began just now.
pub(crate) fn begun_row(claim: &str, record: &SessionRecord) -> SessionRow {
    SessionRow {
        id: record.id.to_string(),
        claim: claim.to_owned(),
        base: base_of(&record.base, &record.subdir),
        state: State::Open.as_str().to_owned(),
        goal: record.goal.clone(),
        agent: record.agent.clone(),
        task_id: record.task_id.clone(),
        parent: record.parent.as_ref().map(ToString::to_string),
        created_at: millis(record.created_at),
    }
}

pub(crate) fn millis(t: Time) -> i64 {
    t.secs.saturating_mul(1000).saturating_add(i64::from(t.nanos / 1_000_000))
}

/// Where the home last saw each domain: the landing core writes `domains/<claim>` before the
/// first begin returns, so that an index that was deleted can be made again.
fn domains_in(dir: &Path) -> Vec<DomainRow> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries.filter_map(|e| last_seen(&e.ok()?.path())).collect()
}

#[derive(serde::Deserialize)]
struct LastSeen {
    claim: String,
    path: SeenPath,
}

/// A path that is not UTF-8 is written as bytes.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum SeenPath {
    Text(String),
    Bytes(Vec<u8>),
}

fn last_seen(record: &Path) -> Option<DomainRow> {
    let seen: LastSeen = serde_json::from_slice(&std::fs::read(record).ok()?).ok()?;
    let path = match seen.path {
        SeenPath::Text(text) => text.into(),
        SeenPath::Bytes(bytes) => brio_session::to_os(&bytes).into_owned().into(),
    };
    Some(DomainRow { claim: seen.claim, path })
}
