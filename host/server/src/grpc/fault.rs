//! Why a call did not succeed, before it is a status.

use brio_host::Conflict;

use super::convert;
use super::proto::ConflictingPath;
use crate::bases::BaseError;

/// Why a call did not succeed.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// The stable code.
    pub(super) code: String,
    /// The rest of the text.
    pub(super) message: String,
    /// The session that it is about.
    pub(super) session: Option<String>,
    /// The paths that it is about.
    pub(super) paths: Vec<String>,
    /// Paths that both sides changed.
    pub(super) conflicts: Vec<ConflictingPath>,
}

impl Fault {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
        Self {
            code: code.to_owned(),
            message: lines.collect::<Vec<_>>().join("; "),
            session: None,
            paths: Vec::new(),
            conflicts: Vec::new(),
        }
    }

    /// A request that is not well formed.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new("USAGE", message)
    }

    /// From a typed error, whose text is `CODE: what happened; the next step`.
    pub(super) fn typed(code: &str, error: &dyn std::fmt::Display) -> Self {
        let text = error.to_string();
        let text = text.strip_prefix(code).and_then(|t| t.strip_prefix(": ")).unwrap_or(&text);
        Self::new(code, text)
    }

    pub(super) fn about(mut self, session: &str) -> Self {
        self.session = Some(session.to_owned());
        self
    }

    fn conflicts(mut self, conflicts: &[Conflict]) -> Self {
        self.paths = conflicts.iter().map(|c| c.path.to_string()).collect();
        self.conflicts = conflicts.iter().map(convert::conflict).collect();
        self
    }

    /// All of it.
    pub(super) fn text(&self) -> String {
        format!("{}: {}", self.code, self.message)
    }
}

macro_rules! from_typed {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Fault {
            fn from(e: $error) -> Self {
                Self::typed(e.code(), &e)
            }
        }
    )*};
}

from_typed! {
    brio_host::BeginError, brio_host::DomainError, brio_host::FindError, brio_host::LeaseError,
    brio_host::PatchError, brio_host::RegistryError, brio_host::RollbackError,
    brio_host::RunError, brio_host::SessionError, brio_host::SuperviseError,
}

impl From<brio_host::CommitError> for Fault {
    fn from(e: brio_host::CommitError) -> Self {
        Self::from(&e)
    }
}

impl From<&brio_host::CommitError> for Fault {
    fn from(e: &brio_host::CommitError) -> Self {
        use brio_host::CommitError as E;
        let mut fault = Self::typed(e.code(), e).conflicts(e.conflicts());
        if let E::Unresolved { marked, .. } = e {
            fault.paths = marked.iter().map(ToString::to_string).collect();
        }
        fault
    }
}

impl From<brio_host::StoreError> for Fault {
    fn from(e: brio_host::StoreError) -> Self {
        use brio_host::stores::ShareError;
        match &e {
            brio_host::StoreError::Share(ShareError::Begin(e)) => Self::typed(e.code(), e),
            brio_host::StoreError::Share(ShareError::Commit(e)) => Self::from(e),
            _ => Self::typed(e.code(), &e),
        }
    }
}

impl From<BaseError> for Fault {
    fn from(e: BaseError) -> Self {
        match e {
            BaseError::None => Self::new("BASE_REFUSED", "this server has no directory"),
            BaseError::Refused { what, bases } => Self::new(
                "BASE_REFUSED",
                format!(
                    "{what} is not below a directory of this server; work in one of {bases}; \
                     whoever starts the server names others with --grpc-base"
                ),
            ),
            BaseError::Missing(e) => e.into(),
        }
    }
}
