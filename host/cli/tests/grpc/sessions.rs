//! Sessions from their beginning to their end.

use brio_server::grpc::proto::{
    ChangeKind, FileKind, GetSessionRequest, ListSessionsRequest, RollbackSessionRequest, RunState,
    SessionState, StartSessionRequest,
};
use tonic::{Code, Request};

use super::common::TestEnvironment;
use super::site::{PROJECT, Site, refused};

/// `sha256:` and 64 digits.
fn is_tree(hash: &str) -> bool {
    let digits = hash.strip_prefix("sha256:").unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
}

// M-060, M-061, M-062, M-063
#[test]
fn a_session_of_a_project_is_started_edited_and_landed_on_its_head() {
    let site = Site::of_project();
    let asked = StartSessionRequest {
        project_id: PROJECT.to_owned(),
        goal: "say what we sell".to_owned(),
        description: Some("bread\nand rolls".to_owned()),
    };
    let mut request = Request::new(asked);
    request.metadata_mut().insert("brio-client", "the site's editor".parse().unwrap());
    let started = site.runtime.block_on(site.client().start_session(request)).unwrap().into_inner();
    let id = &started.session_id;
    assert!(id.starts_with("sess-") && id.len() == 41, "{id}");
    let (_, shown) = site.env.json(&["session", "show", id, "--json"]);
    assert_eq!(shown["lower"]["tree"]["tree"], started.base_tree_hash.as_str(), "{shown}");
    assert!(is_tree(&started.base_tree_hash), "{started:?}");
    assert_eq!(started.nfs_export_path, "", "no NFS is served");
    assert_eq!(shown["goal"], "say what we sell");
    assert_eq!(shown["description"], "bread\nand rolls");
    assert_eq!(shown["agent"], "the site's editor");

    site.edit(id, &[("src/lib.rs", "// done\n"), ("new/a.txt", "new\n")], &["notes.txt"]);
    let diff = site.diff(id);
    let paths: Vec<_> = diff.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["new", "new/a.txt", "notes.txt", "src/lib.rs"]);
    assert!(diff[1].1.contains("\n+new\n") && diff[3].1.contains("\n+// done\n"), "{diff:?}");
    assert!(diff[2].1.contains("\n-one\n"), "{diff:?}");
    assert_eq!(site.env.read("notes.txt"), "one\ntwo\nthree\n", "nothing landed yet");

    let landed = site.land(id, "as agreed").unwrap();
    let (_, status) = site.env.json(&["project", "status", "--json"]);
    assert_eq!(status["head"]["tree"], landed.new_tree_hash.as_str(), "{status}");
    assert!(is_tree(&landed.new_tree_hash) && landed.new_tree_hash != started.base_tree_hash);
    let (_, log) = site.env.json(&["log", "--json"]);
    let newest = &log["landings"][0];
    assert_eq!(newest["landing"].to_string(), landed.landed_commit);
    assert_eq!(newest["session"], id.as_str());
    assert_eq!(newest["message"], "as agreed");
    assert_eq!(newest["agent"], "the site's editor");
    let kinds: Vec<_> = landed.changes.iter().map(|c| (c.path.as_str(), c.kind())).collect();
    assert_eq!(
        kinds,
        [
            ("new", ChangeKind::Added),
            ("new/a.txt", ChangeKind::Added),
            ("notes.txt", ChangeKind::Removed),
            ("src/lib.rs", ChangeKind::Modified)
        ]
    );
    let (file, gone) = (&landed.changes[1], &landed.changes[2]);
    let after = file.after.as_ref().unwrap();
    assert_eq!((after.kind(), after.size, after.mode), (FileKind::File, 4, 0o644));
    assert!(file.before.is_none() && gone.after.is_none());
    assert_eq!(gone.before.as_ref().unwrap().size, 14);
    assert_eq!(site.env.read("new/a.txt"), "new\n", "the directory follows");
    assert!(!site.env.base().join("notes.txt").exists());
    // Said again, as where an answer was lost.
    refused(site.land(id, "as agreed"), Code::FailedPrecondition, "SESSION_ENDED");
    let (_, journal) = (0, site.env.ok(&["journal", "--json"]));
    assert!(journal.contains("the site's editor") && journal.contains(id.as_str()));
}

#[test]
fn a_project_that_has_no_directory_here_is_found_by_its_name() {
    let (env, other) = (TestEnvironment::new(), tempfile::tempdir().unwrap());
    env.ok(&["project", "init", "--store", "--name", PROJECT]);
    env.ok(&["project", "import"]);
    let elsewhere = other.path().to_str().unwrap().to_owned();
    let site = Site::with(env, &["--grpc", "127.0.0.1:0", "--grpc-base", &elsewhere]);
    let started = site.start(PROJECT, "from the home's store");
    assert!(is_tree(&started.base_tree_hash));
    site.edit(&started.session_id, &[("a.txt", "a\n")], &[]);
    let landed = site.land(&started.session_id, "").unwrap();
    assert_eq!(landed.landed_commit, "2");
    assert_eq!(site.env.read("notes.txt"), "one\ntwo\nthree\n", "that directory follows later");
    site.env.ok(&["project", "update"]);
    assert_eq!(site.env.read("a.txt"), "a\n");
    let all = ListSessionsRequest::default();
    assert_eq!(
        site.runtime.block_on(site.client().list_sessions(all)).unwrap().into_inner().sessions,
        []
    );
    let open = site.start(PROJECT, "another").session_id;
    let listed = ListSessionsRequest { project_id: PROJECT.to_owned(), ..Default::default() };
    let listed = site.runtime.block_on(site.client().list_sessions(listed)).unwrap().into_inner();
    assert_eq!(listed.sessions[0].session_id, open);
    assert_eq!(listed.sessions[0].project_id, PROJECT);
}

#[test]
fn a_session_of_a_directory_has_no_tree_and_lands_in_it() {
    let site = Site::new();
    for project in [".", site.env.base().canonicalize().unwrap().to_str().unwrap(), "./src"] {
        let started = site.start(project, "in a directory");
        assert_eq!(started.base_tree_hash, "");
        let rollback =
            RollbackSessionRequest { session_id: started.session_id.clone(), cascade: false };
        let done = site.runtime.block_on(site.client().rollback_session(rollback)).unwrap();
        assert_eq!(done.into_inner().session_id, started.session_id);
    }
    let id = site.start(".", "in a directory").session_id;
    let unchanged = site.start(".", "changes nothing").session_id;
    site.edit(&id, &[("src/lib.rs", "// done\n")], &[]);
    let landed = site.land(&id, "").unwrap();
    assert_eq!((landed.new_tree_hash.as_str(), landed.landed_commit.as_str()), ("", "1"));
    assert_eq!(landed.changes.len(), 1);
    assert_eq!(site.env.read("src/lib.rs"), "// done\n");
    let (_, log) = site.env.json(&["log", "--json"]);
    assert_eq!(log["landings"][0]["agent"], "grpc", "the way in, where nobody is named");
    let nothing = site.land(&unchanged, "").unwrap();
    assert_eq!((nothing.landed_commit.as_str(), nothing.changes.len()), ("", 0));
    assert_eq!(site.env.open_sessions(), Vec::<String>::new());
}

// M-036
#[test]
fn two_sessions_do_not_see_each_others_work() {
    let site = Site::of_project();
    let (a, b) = (site.start(PROJECT, "a"), site.start(PROJECT, "b"));
    assert_eq!(a.base_tree_hash, b.base_tree_hash);
    site.edit(&a.session_id, &[("a.txt", "a\n")], &[]);
    let of = |id: &str| site.diff(id).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
    assert_eq!(of(&a.session_id), ["a.txt"]);
    assert_eq!(of(&b.session_id), [""; 0]);
    site.edit(&b.session_id, &[("b.txt", "b\n")], &[]);
    let landed = site.land(&a.session_id, "").unwrap();
    assert_eq!(of(&b.session_id), ["b.txt"], "b sees its tree, and not what landed");
    let exported = site.env.path().join("b");
    let to = exported.to_str().unwrap();
    site.env.ok(&["session", "export", &b.session_id, to]);
    assert!(exported.join("b.txt").exists() && !exported.join("a.txt").exists());
    let both = site.land(&b.session_id, "").unwrap();
    assert_ne!(both.new_tree_hash, landed.new_tree_hash);
    assert!(site.env.base().join("a.txt").exists() && site.env.base().join("b.txt").exists());
}

#[test]
fn a_session_is_shown_as_it_stands() {
    let site = Site::of_project();
    let started = site.start(PROJECT, "look at it");
    site.edit(
        &started.session_id,
        &[("src/lib.rs", "// done\n"), ("a.txt", "a\n")],
        &["notes.txt"],
    );
    let (id, _) = started.session_id.split_at(12);
    let get = || {
        let asked = GetSessionRequest { session_id: id.to_owned() };
        site.runtime.block_on(site.client().get_session(asked)).unwrap().into_inner()
    };
    let shown = get();
    let session = shown.session.clone().unwrap();
    assert_eq!(session.session_id, started.session_id);
    assert_eq!((session.project_id.as_str(), session.goal.as_str()), (PROJECT, "look at it"));
    assert_eq!(session.state(), SessionState::Open);
    assert!(session.created_at_ms > 1_700_000_000_000 && shown.used_at_ms >= session.created_at_ms);
    assert_eq!((shown.added, shown.modified, shown.removed), (1, 1, 1));
    assert_eq!((shown.run(), shown.base_position), (RunState::Free, 1));
    assert_eq!(shown.base_tree_hash, started.base_tree_hash);
    assert!(shown.conflicts_known && shown.conflicts.is_empty(), "{shown:?}");
    let other = site.start(PROJECT, "the same").session_id;
    site.edit(&other, &[("src/lib.rs", "// other\n")], &[]);
    site.land(&other, "").unwrap();
    let conflicts = get().conflicts;
    assert_eq!(conflicts.len(), 1);
    assert_eq!((conflicts[0].path.as_str(), conflicts[0].by.as_str()), ("src/lib.rs", "head"));
}

#[test]
fn a_long_list_comes_in_pages() {
    let site = Site::new();
    let begun: Vec<_> = (0..7).map(|n| site.start(".", &format!("{n}")).session_id).collect();
    let page = |size, token: &str| {
        let asked = ListSessionsRequest {
            page_size: size,
            page_token: token.to_owned(),
            ..ListSessionsRequest::default()
        };
        site.runtime.block_on(site.client().list_sessions(asked)).map(|page| page.into_inner())
    };
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let got = page(3, &token).unwrap();
        assert!(got.sessions.len() <= 3);
        seen.extend(got.sessions.into_iter().map(|session| session.session_id));
        if seen.len() == 3 {
            // What has ended meanwhile makes nobody missing.
            site.env.ok(&["session", "rollback", &begun[1]]);
        }
        token = got.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, begun, "oldest first, each once");
    assert_eq!(page(0, "").unwrap().sessions.len(), 6);
    refused(page(-1, ""), Code::InvalidArgument, "USAGE");
    refused(page(1, "nonsense"), Code::InvalidArgument, "USAGE");
}

#[test]
fn a_long_diff_comes_in_pieces() {
    let site = Site::new();
    let id = site.start(".", "long").session_id;
    let long: String = (0..90_000).map(|n| format!("line {n}\n")).collect();
    site.edit(&id, &[("long.txt", &long), ("empty.txt", ""), ("binary", "\0\u{1}")], &[]);
    let diff = site.diff(&id);
    let of = |path: &str| &diff.iter().find(|(p, _)| p == path).unwrap().1;
    assert!(of("long.txt").len() > 1 << 20 && of("long.txt").ends_with("+line 89999\n"));
    assert!(of("binary").contains("Binary files differ"), "{}", of("binary"));
    assert!(of("empty.txt").contains("new file mode"), "{}", of("empty.txt"));
}
