//! What is refused, and how that is said.

use brio_server::grpc::proto::{
    DiffSessionRequest, GetSessionRequest, RollbackSessionRequest, StartSessionRequest,
};
use tonic::Code;

use super::common::TestEnvironment;
use super::site::{PROJECT, Site, conflicts, refused};

#[test]
fn what_is_in_conflict_is_named_and_nothing_lands() {
    for (site, project) in [(Site::new(), "."), (Site::of_project(), PROJECT)] {
        let (a, b) = (site.start(project, "a").session_id, site.start(project, "b").session_id);
        site.edit(&a, &[("src/lib.rs", "// a\n")], &[]);
        site.edit(&b, &[("src/lib.rs", "// b\n")], &[]);
        site.land(&a, "").unwrap();
        let refusal = refused(site.land(&b, ""), Code::Aborted, "CONFLICT");
        let detail = conflicts(&refusal);
        assert_eq!((detail.session_id.as_str(), detail.more), (b.as_str(), 0));
        let path = &detail.conflicts[0];
        assert_eq!((detail.conflicts.len(), path.path.as_str()), (1, "src/lib.rs"));
        assert_eq!((path.ours.as_str(), path.theirs.as_str()), ("modified", "modified"));
        assert_eq!(site.env.read("src/lib.rs"), "// a\n");
        assert_eq!(site.env.open_sessions(), [b]);
    }
}

#[test]
fn many_conflicts_fit_into_what_clients_take() {
    let site = Site::new();
    let (a, b) = (site.start(".", "a").session_id, site.start(".", "b").session_id);
    let names: Vec<_> = (0..2000).map(|n| format!("a/rather/long/name/{n}")).collect();
    for (id, text) in [(&a, "a"), (&b, "b")] {
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), text)).collect();
        site.edit(id, &files, &[]);
    }
    assert!(site.land(&a, "").unwrap().changes.len() >= 2000);
    let detail = conflicts(&refused(site.land(&b, ""), Code::Aborted, "CONFLICT"));
    assert!(detail.conflicts.len() > 20 && detail.more > 1000, "{}", detail.conflicts.len());
    let asked = GetSessionRequest { session_id: b };
    let shown = site.runtime.block_on(site.client().get_session(asked)).unwrap().into_inner();
    assert_eq!(shown.conflicts.len(), 1000);
    assert_eq!(1000 + shown.more_conflicts, detail.conflicts.len() as u64 + detail.more);
}

#[test]
fn what_is_not_there_or_not_well_formed_is_told_by_its_code() {
    let site = Site::of_project();
    let start = |project: &str, goal: &str| {
        let (project_id, goal) = (project.to_owned(), goal.to_owned());
        let asked = StartSessionRequest { project_id, goal, description: None };
        site.runtime.block_on(site.client().start_session(asked))
    };
    refused(start("", "x"), Code::InvalidArgument, "USAGE");
    refused(start(PROJECT, ""), Code::InvalidArgument, "USAGE");
    refused(start(PROJECT, &"x".repeat(5000)), Code::InvalidArgument, "USAGE");
    refused(start("No Name", "x"), Code::InvalidArgument, "PROJECT_NAME");
    refused(start("acme/none", "x"), Code::NotFound, "PROJECT_UNKNOWN");
    refused(start("./none", "x"), Code::NotFound, "BASE_MISSING");
    for outside in ["/", "/tmp", "..", "../..", "./src/../../..", "./\0"] {
        refused(start(outside, "x"), Code::PermissionDenied, "BASE_REFUSED");
    }
    refused(site.land("sess-none", ""), Code::NotFound, "SESSION_UNKNOWN");
    refused(site.land("", ""), Code::InvalidArgument, "USAGE");
    let (a, _b) = (site.start(PROJECT, "a").session_id, site.start(PROJECT, "b"));
    refused(site.land("sess-", ""), Code::InvalidArgument, "SESSION_AMBIGUOUS");
    let rollback = |id: &str| {
        let asked = RollbackSessionRequest { session_id: id.to_owned(), cascade: false };
        site.runtime.block_on(site.client().rollback_session(asked))
    };
    let child = site.env.ok(&["session", "begin", "--parent", &a]);
    refused(rollback(&a), Code::FailedPrecondition, "OPEN_CHILDREN");
    refused(site.land(&a, ""), Code::FailedPrecondition, "OPEN_CHILDREN");
    rollback(child.trim_end()).unwrap();
    rollback(&a).unwrap();
    refused(rollback(&a), Code::FailedPrecondition, "SESSION_ENDED");
    let asked = DiffSessionRequest { session_id: "sess-none".into(), path: String::new() };
    let broken = site.runtime.block_on(async {
        let mut stream = site.client_in().await.diff_session(asked).await?.into_inner();
        stream.message().await
    });
    refused(broken, Code::NotFound, "SESSION_UNKNOWN");
}

#[test]
fn sessions_of_other_directories_are_neither_shown_nor_used() {
    let env = TestEnvironment::new();
    let outside = env.begin();
    let inside = env.base().join("src");
    let inside = inside.to_str().unwrap().to_owned();
    let site = Site::with(env, &["--grpc", "127.0.0.1:0", "--grpc-base", &inside]);
    refused(site.land(&outside, ""), Code::PermissionDenied, "BASE_REFUSED");
    let all = site.runtime.block_on(
        site.client().list_sessions(brio_server::grpc::proto::ListSessionsRequest::default()),
    );
    assert_eq!(all.unwrap().into_inner().sessions, []);
    let own = site.start(".", "inside").session_id;
    site.land(&own, "").unwrap();
    assert_eq!(site.env.open_sessions(), [outside]);
}

#[test]
fn an_address_that_others_reach_is_refused() {
    let env = TestEnvironment::new();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let error = env.error(&["serve", "--grpc", address], 2, "GRPC_ADDRESS");
        assert!(error.contains("unix:PATH"), "{error}");
    }
    env.error(&["serve", "--grpc", "127.0.0.1:0", "--grpc-base", "no"], 2, "GRPC_BASE");
    env.error(&["serve", "--grpc", "unix:/tmp/brio.sock"], 2, "GRPC_SOCKET");
    for usage in [&["serve", "--grpc", "nowhere"][..], &["serve", "--grpc-base", "."]] {
        assert_eq!(env.brio(usage).status, 2);
    }
}
