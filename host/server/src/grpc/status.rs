//! Brio's stable codes as statuses of gRPC: the one table of it.

use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::pb;

use super::fault::Fault;
use super::proto::ConflictDetail;

/// The domain of the reasons.
const DOMAIN: &str = "brio";
/// Bytes of a status' text, and of its conflicts. Clients refuse headers of some 8 KiB, in which
/// the text stands with each odd byte as three, and the details as base64.
const LONGEST_TEXT: usize = 800;
const MOST_CONFLICTS: usize = 4 << 10;

/// The status that fits a code; `None`: it is in no row.
pub(super) fn code(code: &str) -> Option<Code> {
    Some(match code {
        "AGENT_MISSING" | "AGENT_UNKNOWN" | "BASE_GONE" | "BASE_MISSING" | "BIND_GONE"
        | "BIND_UNKNOWN" | "CHECKPOINT_UNKNOWN" | "LANDING_UNKNOWN" | "NOTE_UNKNOWN"
        | "NOT_FOUND" | "NO_CURRENT" | "NO_DOMAIN" | "PATH_MISSING" | "PROJECT_UNKNOWN"
        | "SESSION_UNKNOWN" | "TASK_UNKNOWN" => Code::NotFound,

        "AGENT_NAME_INVALID"
        | "AGENT_NO_REVIEWER"
        | "AGENT_REVIEWER"
        | "AMBIGUOUS"
        | "BAD_SESSION_ID"
        | "BASE_INSIDE_STATE"
        | "BASE_INVALID"
        | "BASE_NOT_A_DIRECTORY"
        | "BINARY"
        | "BIND_KIND"
        | "BIND_SOURCE"
        | "BIND_TARGET"
        | "CHECKPOINT_NAME"
        | "CONTEXT_INVALID"
        | "EXCLUDE_INVALID"
        | "IMPORT_REFUSED"
        | "INPUT"
        | "INVALID_PATH"
        | "INVALID_RANGE"
        | "INVALID_TASK"
        | "INVALID_WASM"
        | "IS_DIRECTORY"
        | "JOURNAL_TEXT"
        | "JSON"
        | "MODE_UNKNOWN"
        | "NET_ADDRESS"
        | "NET_REQUEST"
        | "NOTES_AT"
        | "NOTES_SERVER"
        | "NOTE_PATH_INVALID"
        | "NOT_A_FILE"
        | "NOT_DIRECTORY"
        | "NOT_TEXT"
        | "NOT_WASM"
        | "NO_CONFLICT"
        | "NO_ENTRY_POINT"
        | "NO_MATCH"
        | "PREOPEN"
        | "PROJECT_NAME"
        | "RECORD_HAS_ID"
        | "RECORD_INVALID"
        | "ROOM_PATH"
        | "RUN_INVALID"
        | "SECRET"
        | "SESSION_AMBIGUOUS"
        | "STORE_BUCKET"
        | "STORE_INPUT"
        | "STORE_URL"
        | "TASK_AMBIGUOUS"
        | "TASK_CHOICE"
        | "TASK_CYCLE"
        | "TASK_INVALID"
        | "TASK_KEY_MISPLACED"
        | "TASK_KEY_MISSING"
        | "TASK_KEY_TWICE"
        | "TASK_KEY_UNKNOWN"
        | "TASK_NAME"
        | "TASK_NAME_TWICE"
        | "TASK_NOTHING"
        | "TASK_NO_METRIC"
        | "TASK_QUOTE"
        | "TASK_SAMPLE_PATH"
        | "TASK_SYNTAX"
        | "TASK_TYPE"
        | "TASK_VALUE"
        | "TIMESTAMP_INVALID"
        | "TOML"
        | "TREE_INVALID"
        | "UNKNOWN_IMPORT"
        | "USAGE"
        | "WORKTREE_IGNORE"
        | "WORKTREE_NAME" => Code::InvalidArgument,

        "BASE_READ_ONLY" | "BASE_REFUSED" | "BASE_UNREADABLE" | "NET_DENIED" | "NOT_GRANTED"
        | "NOT_PERMITTED" | "STORE_CREDENTIALS" | "STORE_DENIED" => Code::PermissionDenied,

        "CHECKPOINT_EXISTS" | "EXPORT_EXISTS" | "PROJECT_EXISTS" | "SESSION_EXISTS"
        | "BIND_TAKEN" | "ROOM_TAKEN" => Code::AlreadyExists,

        "ALREADY_UNDONE"
        | "BASE_NESTED"
        | "BASE_REPLACED"
        | "BASE_UNUSABLE"
        | "BIND_NOT_SHOWN"
        | "CHECKOUT_NAMES"
        | "CHECKOUT_NOT_EMPTY"
        | "CHECKOUT_UNFINISHED"
        | "DOMAIN_INSIDE"
        | "EXCLUDED"
        | "EXPORT_INSIDE"
        | "FOREIGN_STATE"
        | "FROZEN_ONLY"
        | "LANDING_ABORTED"
        | "LANDING_COLLECTED"
        | "LANDS_ON_HEAD"
        | "MOUNTED"
        | "MOUNT_CYCLE"
        | "NOTES_NO_VERSIONS"
        | "NOT_BOUND"
        | "NOT_EMPTY"
        | "NOT_ON_TREE"
        | "NOT_SHARED"
        | "NOT_SYNCED"
        | "NOT_TRACKED"
        | "NOT_WAITING"
        | "NO_STORE"
        | "OPEN_CHILDREN"
        | "PARENT_RESTORED"
        | "READS_UNKNOWN"
        | "RECOVERY_NEEDED"
        | "REFUSED"
        | "ROOM_COVERS"
        | "ROOM_INSIDE"
        | "ROOM_OWN"
        | "SANDBOX"
        | "SERVED"
        | "SESSION_ADOPTED"
        | "SESSION_ENDED"
        | "SNAPSHOT_GONE"
        | "STORE_BINDING"
        | "STORE_BOUND"
        | "STORE_CONDITIONS"
        | "STORE_MISSING"
        | "STORE_UNMARKED"
        | "UNCLEAN"
        | "UNRESOLVED" => Code::FailedPrecondition,

        "CHANGING" | "CONFLICT" | "NOTE_CHANGED" | "SEAL_BROKEN" | "SESSION_BEHIND"
        | "UNDO_CONFLICT" => Code::Aborted,

        "BIND_MANY" | "HOST_BUSY" | "LIMIT" | "LIMIT_CPU" | "LIMIT_DISK" | "LIMIT_FILES"
        | "LIMIT_HANDLES" | "LIMIT_MEMORY" | "LIMIT_OUTPUT" | "LIMIT_TIME" | "LOW_DISK"
        | "NET_LIMIT" | "NOTE_TOO_LARGE" | "NO_SPACE" | "ROOM_DESCRIPTORS" | "SESSION_LIMIT"
        | "SUBSCRIBERS" | "TASK_TOO_LARGE" | "TOO_LARGE" | "GRPC_WATCHERS" => {
            Code::ResourceExhausted
        }

        "BASE_BUSY" | "BUSY" | "CHECKOUT_BUSY" | "LEASE_GONE" | "MOUNT_BUSY" | "NET_CONNECT"
        | "NET_DNS" | "NET_TIMEOUT" | "NET_TLS" | "NOTES_UNAVAILABLE" | "SERVER_SILENT"
        | "SESSION_BUSY" | "STOPPED" | "STORE_BUSY" | "STORE_UNREACHABLE" | "UNREACHABLE" => {
            Code::Unavailable
        }

        "BASE_UNSUPPORTED" | "FORMAT_UNKNOWN" | "NOTES_FORMAT" | "NO_FUSE" | "REQUEST_UNKNOWN"
        | "ROOM_NO_FUSE" | "ROOM_UNSUPPORTED" | "STORE_FORMAT" => Code::Unimplemented,

        "CORRUPT" | "DAMAGED" | "NOTE_CORRUPT" | "PRE_IMAGE_DAMAGED" | "RECORD_CORRUPT"
        | "SESSION_CORRUPT" | "STATE_CORRUPT" | "STATE_LOST" | "STORE_CORRUPT" => Code::DataLoss,

        "INTERRUPTED" | "KILLED" | "NET_CANCELLED" => Code::Cancelled,

        "AGENT" | "AGENT_FAILED" | "AGENT_IO" | "AGENT_UNREADABLE" | "CACHE_DIR" | "CA_FILE"
        | "CHECK_FAILED" | "ENGINE" | "EXEC" | "EXIT_STATUS" | "FAILED" | "HOME" | "INDEX"
        | "IO" | "LANDING_FAILED" | "MOUNT" | "MOUNT_FAILED" | "NET_PROTOCOL" | "NOTES"
        | "NOTES_IO" | "PROJECT_IO" | "QUEUE" | "REJECTED" | "ROOM_BIND" | "ROOM_CELL"
        | "ROOM_COMMAND" | "ROOM_HELPER" | "ROOM_IO" | "ROOM_MOUNTS" | "ROOM_REFUSED" | "TASK"
        | "TASK_UNREADABLE" | "TRAPPED" | "WORKER" | "WORKTREE_READ" | "WORKTREE_WRITE" => {
            Code::Internal
        }
        _ => return None,
    })
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let status = code(&fault.code).unwrap_or_else(|| {
            tracing::warn!(code = fault.code, "a code without a status of gRPC");
            Code::Unknown
        });
        let info = pb::ErrorInfo {
            reason: fault.code.clone(),
            domain: DOMAIN.to_owned(),
            ..pb::ErrorInfo::default()
        };
        let mut details = vec![any("google.rpc.ErrorInfo", &info)];
        let text = fault.text();
        if !fault.conflicts.is_empty() {
            let detail = bounded(fault.session.unwrap_or_default(), fault.conflicts);
            details.push(any("brio.v1.ConflictDetail", &detail));
        }
        let text = shortened(&text, LONGEST_TEXT);
        let all = pb::Status { code: status as i32, message: text.clone(), details };
        Status::with_details(status, text, all.encode_to_vec().into())
    }
}

fn any(name: &str, message: &impl prost::Message) -> prost_types::Any {
    let type_url = format!("type.googleapis.com/{name}");
    prost_types::Any { type_url, value: message.encode_to_vec() }
}

/// As many conflicts as fit.
fn bounded(session_id: String, all: Vec<super::proto::ConflictingPath>) -> ConflictDetail {
    let mut left = MOST_CONFLICTS;
    let count = all.len();
    let fits = |one: &super::proto::ConflictingPath| {
        let takes = one.encoded_len() + 4;
        let fits = takes <= left;
        left = left.saturating_sub(takes);
        fits
    };
    let conflicts: Vec<_> = all.into_iter().take_while(fits).collect();
    let more = (count - conflicts.len()) as u64;
    ConflictDetail { session_id, conflicts, more }
}

/// At most so many bytes, between characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|i| text.is_char_boundary(*i)).unwrap_or_default();
    format!("{}…", &text[..end])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::super::proto::ConflictingPath;
    use super::*;

    /// The codes that a source gives: in the arms of a `match`, or at the head of an error's text.
    fn codes(source: &str, found: &mut BTreeSet<String>) {
        for (before, after) in [("=> \"", "\""), ("error(\"", ": "), ("error(\n", ": ")] {
            for part in source.split(before).skip(1) {
                let part = part.trim_start().trim_start_matches('"');
                let Some((code, _)) = part.split_once(after) else { continue };
                let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
                if code.len() > 2 && code.bytes().all(plain) {
                    found.insert(code.to_owned());
                }
            }
        }
    }

    fn look(dir: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                codes(&std::fs::read_to_string(&path).unwrap(), found);
            }
        }
    }

    #[test]
    fn every_code_of_the_host_has_a_status() {
        let host = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut found = BTreeSet::new();
        let mut crates = 0;
        for entry in std::fs::read_dir(host).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            // What is beside this, and not below it.
            if !["cli", "nfs", "server"].contains(&name.as_str()) && path.join("src").is_dir() {
                look(&path.join("src"), &mut found);
                crates += 1;
            }
        }
        look(&host.join("src"), &mut found);
        assert!(crates > 10 && found.len() > 150, "{crates} crates have {} codes", found.len());
        // Names of words that stand where codes do, and are none.
        let none = ["AWS", "HEAD", "KEY", "PATH", "SEAL", "ROLLED_BACK", "UNKNOWN"];
        found.retain(|code| !none.contains(&code.as_str()));
        let missing: Vec<_> = found.iter().filter(|found| code(found).is_none()).collect();
        assert!(missing.is_empty(), "no status for {missing:?}");
    }

    #[test]
    fn a_status_has_its_reason_and_every_path_that_fits() {
        use tonic_types::StatusExt as _;
        let path = |n: usize| ConflictingPath { path: format!("dir/{n}"), ..Default::default() };
        for n in [1, 3, 10_000] {
            let mut fault = Fault::new("CONFLICT", "it was changed");
            fault.conflicts = (0..n).map(path).collect();
            let status = Status::from(fault);
            assert_eq!(status.code(), Code::Aborted);
            assert_eq!(status.message(), "CONFLICT: it was changed");
            let info = status.get_details_error_info().unwrap();
            assert_eq!((info.reason.as_str(), info.domain.as_str()), ("CONFLICT", "brio"));
            let all = pb::Status::decode(status.details()).unwrap();
            assert!(all.details[1].type_url.ends_with("/brio.v1.ConflictDetail"));
            let detail = ConflictDetail::decode(&*all.details[1].value).unwrap();
            assert_eq!(detail.conflicts.len() as u64 + detail.more, n as u64);
            assert_eq!(detail.more == 0, n < 100);
            assert!(status.details().len() < 6000, "{}", status.details().len());
        }
        let long = Status::from(Fault::new("IO", "ü".repeat(5000)));
        assert!(long.message().len() < LONGEST_TEXT + 8 && long.message().ends_with('…'));
    }
}
