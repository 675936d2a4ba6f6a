//! One call, from its bytes to the bytes of its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::rpc::{self, Call, Credential, Refusal, Unable};
use crate::server::Server;
use crate::{Users, mount, nfs};

/// The answer; `None`: whoever sent that is hung up on.
pub(crate) fn dispatch(server: &Server, record: &[u8]) -> Option<Vec<u8>> {
    let call = match Call::parse(record) {
        Ok(call) => call,
        Err(refusal) => return rpc::refused(refusal),
    };
    if !may(server, &call) {
        return Some(rpc::too_weak(call.xid));
    }
    // A panic is this program's fault, and of no other call.
    let answered = catch_unwind(AssertUnwindSafe(|| answer(server, &call)));
    let answered = answered.unwrap_or_else(|_| {
        tracing::error!(program = call.program, procedure = call.procedure, "a call panicked");
        Err(Unable::System)
    });
    Some(answered.unwrap_or_else(|why| rpc::unable(call.xid, why)))
}

fn answer(server: &Server, call: &Call<'_>) -> Result<Vec<u8>, Unable> {
    let mut arguments = call.arguments.clone();
    match call.program {
        nfs::PROGRAM => {
            version(call, nfs::VERSION)?;
            let mut out = rpc::success(call.xid, 256);
            let failed = nfs::call(server, call.procedure, &mut arguments, &mut out)?;
            server.counts.called(call.procedure, failed.is_some());
            if let Some(status) = failed {
                let name = nfs::NAMES.get(call.procedure as usize);
                tracing::trace!(procedure = name, ?status, "answered with an error");
            }
            Ok(out.into_bytes())
        }
        mount::PROGRAM => {
            version(call, mount::VERSION)?;
            let mut out = rpc::success(call.xid, 256);
            mount::call(server, call.procedure, &mut arguments, &mut out)?;
            Ok(out.into_bytes())
        }
        _ => Err(Unable::NoProgram),
    }
}

fn version(call: &Call<'_>, only: u32) -> Result<(), Unable> {
    if call.version == only { Ok(()) } else { Err(Unable::Versions { low: only, high: only }) }
}

/// Whether a call is one of the owner's, as far as its client says the truth. What tells nothing
/// of any file is answered to everybody.
fn may(server: &Server, call: &Call<'_>) -> bool {
    let tells = match call.program {
        nfs::PROGRAM => call.procedure != nfs::NULL,
        mount::PROGRAM => call.procedure == mount::MNT,
        _ => false,
    };
    match (server.options.users, call.credential) {
        _ if !tells => true,
        (Users::Anyone, _) => true,
        (Users::Owner, Credential::Unix { uid }) => uid == 0 || uid == server.options.uid,
        (Users::Owner, Credential::None | Credential::Other) => false,
    }
}

/// What tells a call that comes again from every other, where doing it twice would be another
/// thing than doing it once.
pub(crate) fn repeated(record: &[u8]) -> Option<u32> {
    let call = Call::parse(record).ok()?;
    (call.program == nfs::PROGRAM && nfs::is_repeated(call.procedure)).then_some(call.xid)
}

/// How long the answer to a call is at most, or nearly. What reads ends with how much is asked for.
pub(crate) fn largest_answer(record: &[u8]) -> usize {
    let asked = record.last_chunk().map_or(0, |count| u32::from_be_bytes(*count) as usize);
    match Call::parse(record) {
        Ok(call) if call.program == nfs::PROGRAM && nfs::reads(call.procedure) => {
            asked.min(nfs::MOST) + 512
        }
        _ => 4096,
    }
}

impl Refusal {
    /// For the tests of what is no call.
    #[cfg(test)]
    fn of(record: &[u8]) -> Option<Self> {
        Call::parse(record).err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_call_has_no_answer() {
        assert_eq!(Refusal::of(b"GET / HTTP/1.1\r\n"), Some(Refusal::NoCall));
        assert_eq!(Refusal::of(&[]), Some(Refusal::NoCall));
    }
}
