//! Making a domain, and taking one over.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, SystemTime};

use brio_session::STATE_DIR;
use rustix::fs::{Mode, openat};
use rustix::process::geteuid;

use crate::claim::{CLAIM, Claim, nonce};
use crate::disk::{self, DIR, Disk};
use crate::errors::Doing;
use crate::home::{Home, Record};
use crate::intent::{END, END_MAGIC, End, encode};
use crate::look::Look;
use crate::seat::Seat;
use crate::state::{
    JOURNAL, KEPT, LANDINGS, SEQ, SESSIONS, STAGING, State, TRASH, restore_reserve,
};
use crate::{
    Access, Adopted, DomainError, OpenOptions, SessionId, Unsupported, discover, git, history,
    meta, support,
};

pub(crate) const NEW: &str = ".brio-new-";

/// Makes `.brio` in a directory that has none. False: somebody else made one meanwhile.
pub(crate) fn make(base: &discover::Base, options: &OpenOptions) -> Result<bool, DomainError> {
    support::check(&base.fd, &base.path)?;
    let disk = Disk(options.door.clone());
    // One at a time, where a directory can be locked: whoever came first begins sessions at once,
    // and what the others still made beside would be seen in them.
    let lock = openat(&base.fd, c".", DIR, Mode::empty()).doing(base.path.display())?;
    let _ = rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive);
    if Look::at(&base.fd, STATE_DIR.as_bytes()).doing(base.path.display())?.is_some() {
        return Ok(false);
    }
    sweep(&disk, &base.fd);
    let name = format!("{NEW}{}", nonce().doing("random bytes")?);
    let read_only = |e: io::Error| match is_denied(&e) {
        true => {
            let access = Access::at(&base.fd, &base.path).map(Box::new);
            DomainError::ReadOnly { path: base.path.clone(), source: e, access }
        }
        false => crate::HostError::new(base.path.display(), e).into(),
    };
    disk.mkdir(&base.fd, name.as_bytes(), 0o700).map_err(read_only)?;
    let made = fill(&disk, base, &name, options);
    if !matches!(made, Ok(true)) {
        let _ = disk.remove_tree(&base.fd, name.as_bytes());
        if let Ok(false) = made {
            return Ok(false);
        }
    } else if let Err(e) = git::exclude(&disk, &base.path) {
        tracing::warn!("git's exclude file was not changed: {e}");
    }
    made
}

/// Whether the host does not let us write.
pub(crate) fn is_denied(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn fill(
    disk: &Disk,
    base: &discover::Base,
    name: &str,
    options: &OpenOptions,
) -> Result<bool, DomainError> {
    let what = base.path.display();
    let dir = disk::open_dir(&base.fd, name.as_bytes()).doing(&what)?;
    if !support::can_exchange(disk, &dir).doing(&what)? {
        return Err(DomainError::Unsupported {
            path: base.path.clone(),
            why: Unsupported::NoExchange,
        });
    }
    let made = git::make_empty(disk, &dir).and_then(|()| {
        let claim = Claim::new(Look::of(&base.fd)?.ino(), options)?;
        content(disk, &dir, &claim)
    });
    made.doing(&what)?;
    match disk.rename_noreplace(&base.fd, name.as_bytes(), &base.fd, STATE_DIR.as_bytes()) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        r => r.doing(&what).map(|()| true).map_err(Into::into),
    }
}

/// What lies in a new state directory.
pub(crate) fn content(disk: &Disk, dir: &OwnedFd, claim: &Claim) -> io::Result<()> {
    for sub in [LANDINGS, STAGING, SESSIONS, TRASH, KEPT] {
        disk.mkdir(dir, sub, 0o700)?;
    }
    disk.write_new(dir, SEQ, &[0; 8])?;
    disk.create(dir, JOURNAL, 0o600)?;
    restore_reserve(disk, dir);
    // Synced: a power cut must not leave a state whose claim is empty.
    disk.sync_file(&disk.write_new(dir, CLAIM, &serde_json::to_vec(claim)?)?)
}

/// Removes what a crash left of a domain that was being made over a minute ago.
pub(crate) fn sweep(disk: &Disk, root: impl AsFd) {
    let old = |name: &[u8]| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let made = Look::at(&root, name).ok().flatten().filter(|l| l.uid() == geteuid().as_raw());
        made.is_some_and(|l| {
            now.saturating_sub(Duration::from_secs(60)).as_secs() as i64 > l.meta().ctime.secs
        })
    };
    for name in disk::names(&root).unwrap_or_default() {
        if name.starts_with(NEW.as_bytes()) && old(&name) {
            let _ = disk.remove_tree(&root, &name);
        }
    }
}

/// Says where the domain is, before its first session begins.
pub(crate) fn tell_home(state: &State) -> io::Result<()> {
    let Some(home) = &state.home else { return Ok(()) };
    let look = Look::of(state.root()?)?;
    home.put(&Record {
        claim: state.claim.claim.clone(),
        path: state.root_path.clone(),
        root_ino: look.ino(),
        dev: look.dev(),
        born: look.born(),
        last_landing: state.seq.get()?.landing(),
        seen: state.now(),
    })
}

/// Whether the home knows this directory as the root of another domain than `claim`.
pub(crate) fn check_known(
    root: BorrowedFd<'_>,
    path: &Path,
    claim: Option<&str>,
    options: &OpenOptions,
) -> Result<(), DomainError> {
    let Some(home) = &options.home else { return Ok(()) };
    let home = Home::new(home, Disk(options.door.clone()));
    let look = Look::of(root).doing(path.display())?;
    for r in home.records() {
        let same = look.born().is_some() && (r.root_ino, r.born) == (look.ino(), look.born());
        if Some(r.claim.as_str()) == claim || (!same && r.path != path) {
            continue;
        }
        let sessions = home.open_sessions(&r.claim);
        // Another directory at a path where nothing was open: nothing is lost.
        if sessions.is_empty() && (!same || claim.is_some()) {
            home.remove(&r.claim).doing("the home's index")?;
            continue;
        }
        return Err(DomainError::StateLost { path: path.to_owned(), sessions });
    }
    Ok(())
}

/// See [`Domain::adopt`](crate::Domain::adopt).
pub(crate) fn adopt(path: &Path, options: OpenOptions) -> Result<Adopted, DomainError> {
    let base = discover::base(path)?;
    let what = base.path.display();
    let disk = Disk(options.door.clone());
    let look = Look::of(&base.fd).doing(&what)?;
    let mut lost = Vec::new();
    if let Some(home) = &options.home {
        let home = Home::new(home, disk.clone());
        let current = disk::open_dir(&base.fd, STATE_DIR.as_bytes()).ok();
        let current = match current {
            Some(dir) => {
                Claim::read(dir, &base.path.join(STATE_DIR))?.filter(|c| c.root_ino == look.ino())
            }
            None => None,
        };
        for r in home.records() {
            let same = look.born().is_some() && (r.root_ino, r.born) == (look.ino(), look.born());
            if (same || r.path == base.path) && current.as_ref().is_none_or(|c| c.claim != r.claim)
            {
                lost.extend(home.open_sessions(&r.claim).into_iter().map(|s| s.id));
                home.remove(&r.claim).doing("the home's index")?;
            }
        }
    }
    let Some(mut claim) = own_claim(&base)? else {
        // What is left of a `.brio` without a claim is kept beside, not deleted.
        if Look::at(&base.fd, STATE_DIR.as_bytes()).doing(&what)?.is_some() {
            let aside = format!("{STATE_DIR}-lost-{}", nonce().doing("random bytes")?);
            disk.rename_noreplace(&base.fd, STATE_DIR.as_bytes(), &base.fd, aside.as_bytes())
                .doing(&what)?;
        }
        let (domain, _) = crate::Domain::open(&base.path, OpenOptions { create: true, ..options })?;
        domain.state().note(&domain.state().entry("adopted", None));
        return Ok(Adopted { claim: domain.claim_id().to_owned(), sessions: Vec::new(), lost });
    };
    if claim.root_ino == look.ino() {
        return Ok(Adopted { claim: claim.claim, sessions: Vec::new(), lost });
    }
    let old = claim.claim;
    claim.claim = nonce().doing("random bytes")? + &nonce().doing("random bytes")?;
    claim.root_ino = look.ino();
    let seat = Seat::in_base(&base.fd, &base.path).doing(&what)?;
    let state = State::open(seat, Ok(base.fd), base.path.clone(), claim.clone(), options)?;
    let lock = state.exclusive_unchecked()?;
    let sessions = take_over(&state)?;
    state
        .disk
        .replace(state.dir.as_fd(), CLAIM, &serde_json::to_vec(&claim).doing("claim")?, true)
        .doing("claim")?;
    drop(lock);
    tell_home(&state).doing("the home's index")?;
    let mut entry = state.entry("adopted", None);
    entry.detail = Some(serde_json::json!({ "former_claim": old }));
    state.note(&entry);
    let listed = sessions.iter().map(SessionId::to_string).collect::<Vec<_>>();
    lost.retain(|l| !listed.contains(l));
    Ok(Adopted { claim: claim.claim, sessions, lost })
}

/// Inodes of a copy are others': its sessions cannot land, its open landings cannot be judged.
fn take_over(state: &State) -> Result<Vec<SessionId>, DomainError> {
    let mut sessions = Vec::new();
    for id in meta::list(state).doing("sessions")? {
        if let Ok(mut m) = meta::load(state, &id) {
            // What stands on a tree knows no inode of the base.
            if m.lower.tree().is_some() {
                continue;
            }
            m.adopted = true;
            meta::store(state, &id, &m, false).doing(&id)?;
            sessions.push(id);
        }
    }
    for k in history::numbers(state).doing("landings")? {
        if let Ok(l) = history::load(state, k)
            && l.end.is_none()
        {
            let paths = l.intent.steps.iter().map(|s| s.path.clone()).collect();
            let raw = encode(END_MAGIC, &End::Damaged { paths }).doing("end")?;
            let dir = history::dir(state, k).doing("end")?;
            state.disk.replace(dir.as_fd(), END, &raw, true).doing("end")?;
        }
    }
    Ok(sessions)
}

fn own_claim(base: &discover::Base) -> Result<Option<Claim>, DomainError> {
    match disk::open_dir(&base.fd, STATE_DIR.as_bytes()) {
        Ok(dir) => Claim::read(dir, &base.path.join(STATE_DIR)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(crate::HostError::new(base.path.display(), e).into()),
    }
}
