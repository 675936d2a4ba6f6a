//! `checkpoints`: states of a session that it can be put back to.

use super::CoreCtx;
use crate::bindings::brio::core::checkpoints as wit;
use crate::{SessionCheckpoint, Sessions, SessionsCode, SessionsError};

type Answer<T> = wasmtime::Result<Result<T, wit::CheckpointError>>;

impl CoreCtx<'_> {
    /// Asks for something about a session that this guest may change.
    fn with_own<T>(
        &mut self,
        id: &str,
        name: &str,
        how: impl FnOnce(&dyn Sessions) -> Result<T, SessionsError>,
    ) -> Result<T, wit::CheckpointError> {
        let (Some(sessions), Some(fs)) = (self.core.sessions.clone(), &mut self.fs) else {
            return Err(wit::CheckpointError::Unknown(id.into()));
        };
        if self.core.own.as_deref() != Some(id) && fs.mounts.child(id).is_none() {
            let ended = self.core.ended.contains(id);
            return Err(if ended {
                wit::CheckpointError::Ended(id.into())
            } else {
                wit::CheckpointError::Unknown(id.into())
            });
        }
        // What is known of paths may be of the state that is left.
        fs.forget();
        how(&*sessions).map_err(|e| error(id, name, e))
    }
}

impl wit::Host for CoreCtx<'_> {
    fn checkpoint(&mut self, id: String, name: String) -> Answer<wit::CheckpointInfo> {
        Ok(self.with_own(&id, &name, |s| s.checkpoint(&id, &name)).map(info))
    }

    fn restore(&mut self, id: String, name: String) -> Answer<wit::CheckpointInfo> {
        Ok(self.with_own(&id, &name, |s| s.restore(&id, &name)).map(info))
    }

    fn checkpoints(&mut self, id: String) -> Answer<Vec<wit::CheckpointInfo>> {
        let all = self.with_own(&id, "", |s| s.checkpoints(&id));
        Ok(all.map(|all| all.into_iter().map(info).collect()))
    }
}

fn info(c: SessionCheckpoint) -> wit::CheckpointInfo {
    let SessionCheckpoint { name, created_at, base_landing } = c;
    wit::CheckpointInfo { name, created_at, base_landing }
}

fn error(id: &str, name: &str, e: SessionsError) -> wit::CheckpointError {
    use wit::CheckpointError as E;
    match e.code {
        SessionsCode::Unknown => E::Unknown(id.into()),
        SessionsCode::Ended => E::Ended(id.into()),
        SessionsCode::CheckpointName => E::InvalidName(name.into()),
        SessionsCode::CheckpointExists => E::Exists(name.into()),
        SessionsCode::CheckpointUnknown => E::NoSuchCheckpoint(name.into()),
        SessionsCode::Busy => E::Busy(e.message),
        SessionsCode::Limit => E::Limit(e.message),
        SessionsCode::SnapshotGone => E::SnapshotGone(e.message),
        _ => E::Failed(e.message),
    }
}
