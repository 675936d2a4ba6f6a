//! What becomes of sessions: what this process does to them is heard at once; what others do is
//! found by looking.

use std::io;
use std::sync::{Arc, Weak};
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

use brio_host::{Brio, SessionEvent};

/// How often it is looked, unless that costs over one part in `SHARE` of a processor.
const EVERY: Duration = Duration::from_secs(1);
const SHARE: u32 = 50;
const SELDOM: Duration = Duration::from_secs(60);

/// Who is told.
pub(crate) trait Ear: Send + Sync + 'static {
    /// This process did something to a session.
    fn hear(&self, event: SessionEvent);

    /// Looks for what others did since it was last looked.
    fn look(&self);
}

/// Has an ear told until it is gone, on two threads that are called after `name`.
pub(crate) fn listen<E: Ear>(brio: &Brio, ear: &Arc<E>, name: &str) -> io::Result<()> {
    let (events, own) = (brio.session_events(), Arc::downgrade(ear));
    let tell = move || {
        for event in events {
            let Some(ear) = own.upgrade() else { return };
            ear.hear(event);
        }
    };
    Builder::new().name(format!("{name}-events")).spawn(tell)?;
    let own = Arc::downgrade(ear);
    Builder::new().name(format!("{name}-watch")).spawn(move || look(&own))?;
    Ok(())
}

fn look<E: Ear>(ear: &Weak<E>) {
    let mut pause = EVERY;
    loop {
        sleep(pause);
        let Some(ear) = ear.upgrade() else { return };
        let begun = Instant::now();
        ear.look();
        pause = (begun.elapsed() * SHARE).clamp(EVERY, SELDOM);
    }
}
