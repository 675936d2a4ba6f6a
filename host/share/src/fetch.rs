//! A session of the store, opened on this machine.

use brio_landing::{
    BeginOptions, Domain, LowerOptions, Metadata, Pushed, Session, SessionId, TreeInfo, WantedLower,
};
use brio_session::RelPath;
use brio_store::{Head, Project, SessionDoc, SessionState};

use crate::attempts::written;
use crate::fill::{below, differences, fill};
use crate::push::to_time;
use crate::story::words;
use crate::{Place, ShareError};

impl Place {
    /// A tree of this place, as a session's record names it.
    pub fn tree_info(&self, tree: brio_store::Base, at: time::OffsetDateTime) -> TreeInfo {
        TreeInfo {
            store: self.url.to_string(),
            project: self.project.id().to_string(),
            tree: tree.tree.to_string(),
            position: tree.position,
            at: to_time(at),
        }
    }

    /// The head as it is now, and what a session that begins there stands on: one request.
    ///
    /// # Errors
    /// The store's.
    pub fn head(&self) -> Result<(Head, TreeInfo), ShareError> {
        let head = self.run(|p: Project| async move { p.head().await })?;
        let info = self.tree_info(head.base(), head.at());
        Ok((head, info))
    }

    /// Begins a session on the head's tree. It costs one request, whatever the tree's size.
    ///
    /// # Errors
    /// The store's, and those of a begin.
    pub fn begin(&self, domain: &Domain, options: BeginOptions) -> Result<Session, ShareError> {
        let (_, tree) = self.head()?;
        let lower = LowerOptions { wanted: WantedLower::Tree(tree), ..options.lower };
        Ok(domain.begin(BeginOptions { lower, ..options })?)
    }

    /// A session as the store has it.
    ///
    /// # Errors
    /// `SESSION_UNKNOWN`, and the store's.
    pub fn session(&self, id: &str) -> Result<SessionDoc, ShareError> {
        let id = id.to_owned();
        Ok(self.run(|p: Project| async move { p.session(&id).await })?)
    }

    /// Opens a session that was pushed elsewhere, in a domain here, under its own id: the same
    /// base, the same changes, the same bytes. What it changed is fetched, all else as it is
    /// read. A crash leaves all of it or nothing.
    ///
    /// # Errors
    /// `SESSION_UNKNOWN`; `SESSION_ENDED`; the store's, and those of a begin.
    pub fn open_session(&self, domain: &Domain, id: &str) -> Result<Session, ShareError> {
        let doc = self.session(id)?;
        if let Some(how) = self.ended(&doc)? {
            let project = self.project.id().to_string();
            return Err(ShareError::Ended { id: doc.id, project, how });
        }
        let here: SessionId = doc.id.parse().map_err(|_| ShareError::Corrupt {
            id: doc.id.clone(),
            what: "its id is none of a session".into(),
        })?;
        let tree = self.tree_info(doc.base, doc.base_at);
        let pushed = Pushed {
            seq: doc.seq,
            tree: doc.tree.to_string(),
            position: doc.base.position,
            attempts: Vec::new(),
            // They are looked up before it lands, here as there.
            landings: written(&doc.attempts),
        };
        let corrupt = |what: String| ShareError::Corrupt { id: doc.id.clone(), what };
        let subdir = RelPath::new(doc.subdir.as_deref().unwrap_or_default().as_bytes())
            .map_err(|_| corrupt("the directory that it branches is no path".into()))?;
        let options = BeginOptions {
            metadata: Metadata {
                goal: doc.goal.clone(),
                agent: doc.agent.clone(),
                task_id: doc.task_id.clone(),
                title: doc.title.clone(),
                description: doc.description.clone(),
            },
            subdir: subdir.clone(),
            lower: LowerOptions { wanted: WantedLower::Tree(tree), ..LowerOptions::default() },
            pushed: Some(pushed),
            words: words(&doc),
            ..BeginOptions::default()
        };
        let made = domain.begin_filled(options, Some(here), |view| {
            fill(self, view, &below(differences(self, doc.base.tree, doc.tree)?, &subdir)?)
        })?;
        Ok(made)
    }

    /// How a session of the store has ended. One whose landing was cut off is looked up.
    fn ended(&self, doc: &SessionDoc) -> Result<Option<String>, ShareError> {
        Ok(match (doc.state, &doc.landing) {
            (SessionState::Landed, Some(landing)) => match landing.position {
                Some(position) => Some(format!("landed at position {position}")),
                None => Some("landed".into()),
            },
            (SessionState::Landed, None) => Some("landed".into()),
            (SessionState::RolledBack, _) => Some("was rolled back".into()),
            (SessionState::Committing, _) => {
                let found = self.done(&self.head()?.0, &doc.attempts)?;
                found.map(|record| format!("landed at position {}", record.position))
            }
            _ => None,
        })
    }
}
