//! What the landing core asks of a head: a session on a tree is committed, sealed, rebased and
//! resolved as any other.

use brio_landing::{
    CommitError, CommitOptions, Domain, HeadError, Heads, Landed, OnHead, Session, SessionInfo,
    TreeInfo, Warning,
};

use crate::push::tree_of;
use crate::{LandOptions, LandedOnHead, Place, Places, ShareError, Story, Updated};

impl Places {
    /// The project that a tree is of.
    ///
    /// # Errors
    /// As [`get`](Self::get); `STORE_INPUT` when its name is none.
    pub fn of(&self, tree: &TreeInfo) -> Result<Place, ShareError> {
        let bad = |why: brio_store::NoProjectId| brio_store::Error::Input {
            path: tree.project.clone(),
            why: why.to_string(),
        };
        Ok(self.get(&tree.store, &tree.project.parse().map_err(bad)?)?)
    }

    fn land_on_head(
        &self,
        domain: &Domain,
        session: &Session,
        options: &CommitOptions,
    ) -> Result<Landed, ShareError> {
        let place = self.of(tree_of(&session.info()?)?)?;
        let landed = place.land(
            session,
            &LandOptions {
                message: options.message.clone(),
                policy: options.policy,
                isolation: options.isolation,
                sealed: options.sealed.clone(),
                accept_unclean: options.accept_unclean,
                story: self.story(session)?,
            },
        )?;
        Ok(place.as_landed(domain, landed))
    }

    /// What is told to a store of a session here.
    ///
    /// # Errors
    /// When its journal cannot be read.
    pub fn story(&self, session: &Session) -> Result<Story, ShareError> {
        let machine = self.machine().map(str::to_owned);
        Ok(Story { machine, ..Story::of(session)? })
    }
}

impl Place {
    /// What a landing on the head is to whoever knows landings in a base: the directory follows to
    /// there, and what stands against that is told.
    pub fn as_landed(&self, domain: &Domain, landed: LandedOnHead) -> Landed {
        let mut done = Landed {
            landing: None,
            changes: landed.changes,
            notes: landed.notes,
            warnings: Vec::new(),
            parent: None,
            head: None,
            children: Vec::new(),
        };
        if let Some(record) = &landed.record {
            let followed = match self.follow(domain, record.base_after()) {
                Ok(Some(Updated { landing, position, kept })) => {
                    let drifted = |path| Warning::Drifted { path, position };
                    done.warnings.extend(kept.into_iter().map(drifted));
                    landing
                }
                Ok(None) => None,
                Err(e) => {
                    done.warnings.push(Warning::NotFollowed { reason: e.to_string() });
                    None
                }
            };
            let tree = self.tree_info(record.base_after(), record.at);
            done.landing = Some(record.position);
            done.head = Some(Box::new(OnHead { tree, from: landed.from, followed }));
        }
        done
    }
}

impl Heads for Places {
    fn head(&self, of: &TreeInfo) -> Result<TreeInfo, HeadError> {
        let head = self.of(of).and_then(|place| place.head());
        head.map(|(_, tree)| tree).map_err(|e| e.head())
    }

    fn land(
        &self,
        domain: &Domain,
        session: &Session,
        options: &CommitOptions,
    ) -> Result<Landed, CommitError> {
        self.land_on_head(domain, session, options).map_err(|e| match e {
            ShareError::Commit(e) => e,
            ShareError::Lease(e) => e.into(),
            ShareError::Session(e) => e.into(),
            ShareError::Conflicts { id, conflicts, .. } => {
                CommitError::Conflict { session: id, conflicts }
            }
            e => e.head().into(),
        })
    }

    fn settle(&self, session: &Session) -> Result<(), HeadError> {
        let settled = || {
            let info = session.info()?;
            let place = self.of(tree_of(&info)?)?;
            Ok::<_, ShareError>((place.settle(session)?, place))
        };
        match settled().map_err(|e| e.head())? {
            (None, _) => Ok(()),
            (Some(record), place) => Err(HeadError {
                code: "SESSION_ENDED",
                text: format!(
                    "SESSION_ENDED: session {id} landed at position {} of {} after all; `brio session commit {id}` ends it here too, and undoing that landing takes its work back",
                    record.position,
                    place.project().id(),
                    id = session.id(),
                ),
            }),
        }
    }

    fn gone(&self, was: &SessionInfo) {
        let tell = || match (tree_of(was), &was.pushed) {
            (Ok(tree), Some(pushed)) if pushed.seq > 0 => {
                self.of(tree)?.tell_rolled_back(was.id.as_str(), pushed.seq)
            }
            _ => Ok(()),
        };
        if let Err(e) = tell() {
            tracing::warn!("session {}: the store still has it: {e}", was.id);
        }
    }
}
