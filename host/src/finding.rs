//! Finding a session again by its id or a unique prefix of it.

use std::path::Path;

use brio_landing::{DomainError, SessionError, SessionId};

use crate::{Brio, CURRENT, FindError, SessionHandle};

impl Brio {
    /// Looks in the domain that `near` lies in, then in the index, then in every domain that
    /// the home knows (the index may have been deleted). A unique prefix is enough; [`CURRENT`]
    /// is the session that is current near there.
    ///
    /// # Errors
    /// [`FindError`]; a session that has ended is told apart from one that never was.
    pub fn find(&self, prefix: &str, near: Option<&Path>) -> Result<SessionHandle, FindError> {
        if prefix == CURRENT {
            let current = near.map(|near| self.current_session(near)).transpose()?.flatten();
            return current.ok_or(FindError::NoCurrent);
        }
        let mut trouble = None;
        if let Some(near) = near {
            match self.domain(near, false) {
                Ok((domain, _)) => {
                    if let Some(id) = domain.find(prefix)? {
                        return Ok(SessionHandle::new(self.clone(), domain, id));
                    }
                }
                // No domain here says nothing about the session; a broken one may explain it.
                Err(DomainError::NoDomain { .. } | DomainError::Missing { .. }) => {}
                Err(e) => trouble = Some(e),
            }
        }
        if let Some(found) = self.find_in_index(prefix)? {
            return Ok(found);
        }
        self.refresh_index();
        if let Some(found) = self.find_in_index(prefix)? {
            return Ok(found);
        }
        if let Some(trouble) = trouble {
            return Err(trouble.into());
        }
        self.find_in_stores(prefix, near)
    }

    /// A session that was pushed from another machine: by its whole id, in the store of the
    /// project that `near` belongs to, and in those of projects without a directory here.
    fn find_in_stores(&self, id: &str, near: Option<&Path>) -> Result<SessionHandle, FindError> {
        let unknown = || FindError::from(SessionError::Unknown { id: id.to_owned() });
        let Ok(known) = id.parse::<SessionId>() else { return Err(unknown()) };
        let mut trouble = None;
        let bases = near.map(Path::to_owned).into_iter().chain(self.home_projects());
        for base in bases.collect::<Vec<_>>() {
            let Ok((domain, _)) = self.domain(&base, false) else { continue };
            if !matches!(domain.store_binding(), Ok(Some(_))) {
                continue;
            }
            match self.project_in(domain).and_then(|project| project.open_session(&known)) {
                Ok(session) => return Ok(session),
                Err(e) if e.code() == "SESSION_UNKNOWN" => {}
                Err(e) => trouble = trouble.or(Some(e)),
            }
        }
        Err(trouble.map_or_else(unknown, |e| FindError::Store(Box::new(e))))
    }

    fn find_in_index(&self, prefix: &str) -> Result<Option<SessionHandle>, FindError> {
        let Some(row) = self.registry().find(prefix)? else { return Ok(None) };
        if matches!(row.state.as_str(), "landed" | "rolled-back") {
            return Err(FindError::Ended { id: row.id, state: row.state });
        }
        let Some(place) = self.registry().domains()?.into_iter().find(|d| d.claim == row.claim)
        else {
            return Ok(None);
        };
        let domain = self.known_domain(&place)?;
        let id: SessionId = row
            .id
            .parse()
            .map_err(|_| FindError::Session(SessionError::Unknown { id: row.id.clone() }))?;
        // The index is only an index: the domain decides.
        domain.session(&id)?;
        Ok(Some(SessionHandle::new(self.clone(), domain, id)))
    }
}
