//! The deprecated functions: `cargo test -p brio-project --features legacy`.
#![allow(clippy::unwrap_used, reason = "tests")]
#![cfg(feature = "legacy")]
#![allow(deprecated, reason = "they are what is tested")]

mod common;

use brio_project::legacy;
use common::*;

//
#[test]
fn the_adapter_gives_the_sentinel_and_null_and_warns() {
    let (mem, project) = in_memory();
    let (init, log) = common::log::of(|| legacy::init_session(&project).unwrap());
    assert_eq!(init, "default-session");
    assert_eq!(log, ["WARN init_session() returns no id any more - ignore its value"]);
    assert_eq!(project.load_session().unwrap().map(|record| record.version), Some(0));
    mem.calls();
    let (id, log) = common::log::of(legacy::get_current_session_id);
    assert_eq!(id, "default-session");
    assert_eq!(log, ["WARN getCurrentSessionId() is deprecated - use getSession() instead"]);
    let (id, log) = common::log::of(legacy::get_session_id);
    assert_eq!(id, None);
    assert_eq!(log, ["WARN getSessionId() is deprecated - use getSession() instead"]);
    let ((), log) = common::log::of(|| legacy::set_current_session_id("other"));
    assert_eq!(log, ["WARN setCurrentSessionId() is deprecated - there is one record"]);
    assert!(mem.calls().is_empty(), "no id is stored anywhere");
}
