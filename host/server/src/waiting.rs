//! Tasks that ask a person about a session, when that was landed or rolled back another way.

use brio_host::{Brio, SessionHandle};

/// Whether a task may ask about a session.
pub(crate) fn of_task(session: &SessionHandle) -> bool {
    let record = session.record();
    record.is_ok_and(|record| record.task_id.is_some_and(|label| label.starts_with("task-")))
}

/// Has a task go on that asks about a session, which was landed or rolled back here.
pub(crate) fn ended_by_hand(brio: &Brio, session: &SessionHandle, of_task: bool) {
    if !of_task {
        return;
    }
    let told = brio.supervisor(Vec::new()).and_then(|supervisor| {
        if supervisor.look_again(session.id().as_str())? {
            let _ = supervisor.wake();
        }
        Ok(())
    });
    if let Err(error) = told {
        tracing::warn!(session = %session.id(), %error, "its task is not told");
    }
}
