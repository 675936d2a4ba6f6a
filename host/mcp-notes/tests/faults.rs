//! Servers that are away, slow, forgetful, hostile or simple. What they say is never taken for
//! "there is no such note" unless it is that.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use brio_mcp_notes::{McpNotes, McpOptions, Server};
use brio_project::*;
use common::tools::{self, Texts, failure, full, simple, text};
use common::{Manner, Reply, Says, TestServer, notes, notes_at};
use serde_json::{Value, json};

fn path(path: &str) -> NotePath {
    path.parse().unwrap()
}

fn plain() -> WriteOptions {
    WriteOptions::default()
}

fn put(notes: &dyn Notes, at: &str, content: &str) -> Written {
    notes.write(&path(at), content, &plain()).unwrap()
}

fn content(notes: &dyn Notes, at: &str) -> Option<String> {
    notes.read(&path(at)).unwrap().map(|note| note.content)
}

/// All that can be asked of notes is unavailable, and says what the promise says.
fn all_unavailable(notes: &dyn Notes, why: &str) {
    let a = path("a");
    let errors = [
        notes.read(&a).map(drop).expect_err(why),
        notes.write(&a, "x", &plain()).map(drop).expect_err(why),
        notes.modify(&a, None, &mut |_| Ok("x".to_owned())).map(drop).expect_err(why),
        notes.list(&Pattern::all()).map(drop).expect_err(why),
        notes.remove(&a, &plain()).map(drop).expect_err(why),
        notes.history(&a).map(drop).expect_err(why),
    ];
    for error in errors {
        let said = error.to_string();
        assert!(error.is_unavailable(), "{why}: {said}");
        assert!(said.starts_with("NOTES_UNAVAILABLE: BrainUnavailableError: "), "{said}");
        assert!(!said.contains(char::is_control) && said.len() < 700, "{said:?}");
    }
}

/// With the reading of tools as usual, and that answer to every call.
fn answering(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Arc<Says> {
    let usual = simple(Texts::default());
    Arc::new(move |method, params| match method {
        "tools/call" => reply(),
        _ => usual(method, params),
    })
}

//
#[test]
fn who_is_not_there_is_unavailable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    all_unavailable(&notes(&format!("http://{address}/mcp")), "nobody listens");
    all_unavailable(&notes("https://no-such-host.invalid/mcp"), "no such name");
}

// also within one connection, by both ways to answer, and where the refusal is 400.
#[test]
fn a_server_that_was_restarted_is_gone_on_with() {
    for manner in [
        Manner::default(),
        Manner { events: true, ..Manner::default() },
        Manner { by_400: true, ..Manner::default() },
        Manner { sessionless: true, ..Manner::default() },
    ] {
        let texts = Texts::default();
        let server = TestServer::new(manner, simple(texts.clone()));
        let address = server.address;
        let notes = notes(&server.url());
        let project = |notes: &McpNotes| put(notes, "a", "one");
        project(&notes);
        server.forget();
        assert_eq!(content(&notes, "a").as_deref(), Some("one"), "{manner:?}: begun again");
        if !manner.sessionless {
            assert_eq!(server.begun(), 2, "{manner:?}");
        }
        drop(server);
        all_unavailable(&notes, "it is away");
        let _again = TestServer::at(address, manner, simple(texts));
        assert_eq!(content(&notes, "a").as_deref(), Some("one"), "{manner:?}: it is back");
        put(&notes, "a", "two");
        assert_eq!(content(&notes, "a").as_deref(), Some("two"), "{manner:?}");
        assert_eq!(content(&notes, "b"), None, "{manner:?}: and what is missing is");
    }
}

#[test]
fn a_server_that_forgets_at_once_is_asked_twice_and_no_more() {
    let forgetful = answering(|| Reply::Http(404, "text/plain", b"session?".to_vec()));
    let server = TestServer::new(Manner::default(), forgetful);
    let notes = notes(&server.url());
    all_unavailable(&notes, "it knows no session");
    // Six ways to ask, each begun with a new session: the first had none to lose.
    assert!(server.calls() <= 12, "{}", server.calls());
}

//
#[test]
fn what_is_no_answer_is_unavailable() {
    let http = |status: u16, kind: &'static str, body: &str| {
        let body = body.as_bytes().to_vec();
        answering(move || Reply::Http(status, kind, body.clone()))
    };
    let raw = |bytes: &str| {
        let bytes = bytes.as_bytes().to_vec();
        answering(move || Reply::Raw(bytes.clone()))
    };
    let deep = "[".repeat(100_000);
    for (why, says) in [
        ("an error of a tool", answering(|| failure("the disk is on fire"))),
        ("another thing is not found", answering(|| failure("Project not found: demo"))),
        ("an error without words", answering(|| Reply::Result(json!({"isError": true})))),
        ("an error that moves the cursor", answering(|| failure("\u{1b}[2J\r\nnote not found?"))),
        ("an error of the protocol", answering(|| Reply::Error(-32603, "note not found".into()))),
        ("503", http(503, "text/plain", "note not found")),
        ("404 with a session", http(404, "text/plain", "note not found")),
        ("302", http(302, "text/plain", "")),
        ("401", http(401, "text/plain", "")),
        ("a page", http(200, "text/html", "<h1>Note not found</h1>")),
        ("no JSON", http(200, "application/json", "note not found")),
        ("no message", http(200, "application/json", "{}")),
        ("an empty body", http(200, "application/json", "")),
        (
            "another id",
            http(200, "application/json", "{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":{}}"),
        ),
        ("deep JSON", http(200, "application/json", &deep)),
        ("no event", http(200, "text/event-stream", ": nothing\n\n")),
        ("an event that is none", http(200, "text/event-stream", "data: note not found\n\n")),
        ("no HTTP", raw("note not found\r\n\r\n")),
        ("nothing", raw("")),
        ("half a head", raw("HTTP/1.1 200 OK\r\nContent-Ty")),
        (
            "half a body",
            raw(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"json",
            ),
        ),
    ] {
        let server = TestServer::new(Manner::default(), says);
        let begun = Instant::now();
        all_unavailable(&notes(&server.url()), why);
        assert!(begun.elapsed() < Duration::from_secs(60), "{why}");
    }
}

#[test]
fn a_server_that_does_not_begin_or_has_no_notes_is_unavailable() {
    let on = |wanted: &'static str, reply: fn() -> Reply| -> Arc<Says> {
        let usual = simple(Texts::default());
        Arc::new(move |method, params| match method == wanted {
            true => reply(),
            false => usual(method, params),
        })
    };
    for (why, says) in [
        ("it refuses to begin", on("initialize", || Reply::Error(-32600, "no".into()))),
        ("it begins with nonsense", on("initialize", || Reply::Result(json!({"a": 1})))),
        ("it begins with a page", on("initialize", || Reply::Http(200, "text/html", vec![]))),
        ("it lists no tools", on("tools/list", || Reply::Result(json!({"tools": []})))),
        ("it cannot list tools", on("tools/list", || Reply::Error(-32601, "no".into()))),
        (
            "its tools want more",
            on("tools/list", || {
                let want: &[&str] = &["title", "folder", "content"];
                tools::tools(&[
                    ("read_note", want, &[]),
                    ("write_note", want, &[]),
                    ("list_notes", want, &[]),
                ])
            }),
        ),
        (
            "its list of tools has no end",
            on("tools/list", || Reply::Result(json!({"tools": [], "nextCursor": "more"}))),
        ),
    ] {
        let server = TestServer::new(Manner::default(), says);
        all_unavailable(&notes(&server.url()), why);
    }
}

#[test]
fn who_is_slow_is_given_up_in_time() {
    let silence = || Reply::Silence(Duration::from_secs(8));
    for (why, says) in [
        ("no answer", answering(silence)),
        ("an answer without end", answering(|| Reply::Drip)),
        ("a beginning without end", {
            Arc::new(move |_: &str, _: &Value| Reply::Silence(Duration::from_secs(8)))
        }),
    ] {
        let server = TestServer::new(Manner::default(), says);
        let options = McpOptions::new(common::server(&server.url()), SystemTime::now);
        let options = McpOptions { timeout: Duration::from_millis(300), ..options };
        let notes = McpNotes::new(options).unwrap();
        let begun = Instant::now();
        all_unavailable(&notes, why);
        drop(notes);
        assert!(begun.elapsed() < Duration::from_secs(7), "{why}: {:?}", begun.elapsed());
    }
}

#[test]
fn an_answer_over_the_bounds_is_not_taken() {
    let huge =
        |body: fn() -> Vec<u8>| answering(move || Reply::Http(200, "application/json", body()));
    let many = || {
        let mut body = b"{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"content\":[".to_vec();
        body.resize(body.len() + (4 << 20), b',');
        body
    };
    let long = || vec![b' '; 65 << 20];
    for (why, says, sign) in [
        ("too many values", huge(many), "values"),
        ("too many bytes", huge(long), "NET_LIMIT"),
        (
            "a note that is too large",
            answering(|| text("x".repeat(MAX_CONTENT + 1))),
            "larger than any note",
        ),
    ] {
        let server = TestServer::new(Manner::default(), says);
        let options = McpOptions::new(common::server(&server.url()), SystemTime::now);
        let error = McpNotes::new(options).unwrap().read(&path("a")).unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains(sign), "{why}: {error}");
    }
    // What fits, fits: with what JSON escapes in it.
    let server = TestServer::new(Manner::default(), simple(Texts::default()));
    let notes =
        McpNotes::new(McpOptions::new(common::server(&server.url()), SystemTime::now)).unwrap();
    let largest = "\"\n,[".repeat(MAX_CONTENT / 4);
    put(&notes, "a", &largest);
    assert!(content(&notes, "a") == Some(largest));
    let error = notes.write(&path("a"), &"x".repeat(MAX_CONTENT + 1), &plain()).unwrap_err();
    assert_eq!(error.code(), "NOTE_TOO_LARGE");
}

// notes of a server that knows neither versions nor origins nor removals.
#[test]
fn a_simple_server_keeps_a_project() {
    let texts = Texts::default();
    let server = TestServer::new(Manner::default(), simple(texts.clone()));
    let remote = Server { project: Some("demo".into()), ..common::server(&server.url()) };
    let notes = Arc::new(notes_at(remote));
    let project = Project::new(notes.clone(), SystemTime::now);
    assert_eq!(project.load_session().unwrap(), None);
    let update = Update { mode: Some(Mode::Coding), task: Some("x".into()), feature: None };
    assert_eq!(project.set_session(&update).unwrap().version, 1);
    assert_eq!(project.set_session(&update).unwrap().version, 2);
    let note = notes.read(&path(SESSION_PATH)).unwrap().unwrap();
    assert_eq!(note.version, 3, "one above the record's");
    assert_eq!(note.at, project.get_session().unwrap().updated_at);
    let qa = "qa".parse().unwrap();
    project.save_agent_context(&qa, &json!({"a": 1})).unwrap();
    assert_eq!(project.load_agent_context::<Value>(&qa).unwrap(), Some(json!({"a": 1})));
    assert!(texts.lock().unwrap().keys().all(|at| at.starts_with("demo|sessions/")));

    // A removal is a tombstone there, and no note here.
    project.cleanup_session().unwrap();
    assert_eq!(project.load_session().unwrap(), None);
    let left = texts.lock().unwrap()["demo|sessions/session"].clone();
    assert!(is_tombstone(&left), "{left}");
    let listed = notes.list(&Pattern::all()).unwrap();
    assert_eq!(listed.iter().map(|n| n.path.as_str()).collect::<Vec<_>>(), ["sessions/agent-qa"]);
    assert_eq!(notes.history(&path(SESSION_PATH)).unwrap()[0].content, None);
    assert_eq!(notes.remove(&path(SESSION_PATH), &plain()).unwrap(), None);
    assert_eq!(notes.remove(&path("never"), &plain()).unwrap(), None);
}

#[test]
fn a_simple_server_compares_nothing_that_it_does_not_tell() {
    let server = TestServer::new(Manner::default(), simple(Texts::default()));
    let notes = notes(&server.url());
    let expecting = |version| WriteOptions { expected_version: Some(version), origin: None };
    notes.write(&path("a"), "one", &expecting(0)).unwrap();
    let error = notes.write(&path("a"), "two", &expecting(0)).unwrap_err();
    assert_eq!(error.code(), "NOTE_CHANGED");
    let error = notes.write(&path("a"), "two", &expecting(1)).unwrap_err();
    assert_eq!(error.code(), "NOTES_NO_VERSIONS");
    assert!(error.to_string().contains(&server.url()), "{error}");
    assert_eq!(content(&notes, "a").as_deref(), Some("one"), "nothing was written");
    let error = notes.write(&path("b"), "two", &expecting(1)).unwrap_err();
    assert_eq!(error.code(), "NOTE_CHANGED", "there is none");

    // At least once, by the content.
    let from = WriteOptions { expected_version: None, origin: Some("landing 1".into()) };
    assert!(!notes.write(&path("c"), "x", &from).unwrap().replayed);
    assert!(notes.write(&path("c"), "x", &from).unwrap().replayed);
    assert!(!notes.remove(&path("c"), &from).unwrap().unwrap().replayed);
    assert!(notes.remove(&path("c"), &from).unwrap().unwrap().replayed);

    // An update that another write overtakes is made again.
    let mut rounds = 0;
    let other = common::notes(&server.url());
    let made = notes.modify(&path("a"), None, &mut |note| {
        rounds += 1;
        if rounds == 1 {
            put(&other, "a", "meanwhile");
        }
        Ok(format!("{}, then mine", note.unwrap().content))
    });
    made.unwrap();
    assert_eq!((content(&notes, "a").as_deref(), rounds), (Some("meanwhile, then mine"), 2));
}

#[test]
fn a_token_is_shown_and_may_be_exchanged() {
    let manner = Manner { token: Some("0123456789abcdef"), ..Manner::default() };
    let server = TestServer::new(manner, simple(Texts::default()));
    let tmp = tempfile::tempdir().unwrap();
    let file = tmp.path().join("token");
    let with = Server { token_file: Some(file.clone()), ..common::server(&server.url()) };
    let notes = notes_at(with);
    all_unavailable(&notes, "no such file");
    std::fs::write(&file, "another").unwrap();
    all_unavailable(&notes, "not the token");
    std::fs::write(&file, "0123456789abcdef\n").unwrap();
    put(&notes, "a", "x");
    assert_eq!(content(&notes, "a").as_deref(), Some("x"));
    all_unavailable(&common::notes(&server.url()), "no token");
}

#[test]
fn it_may_be_asked_from_a_runtime_and_by_many() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = cap_std::fs::Dir::open_ambient_dir(tmp.path(), cap_std::ambient_authority()).unwrap();
    let below = DirNotes::open(dir, DirOptions::new(SystemTime::now)).unwrap();
    let server = TestServer::new(Manner::default(), full(Arc::new(below)));
    let notes = Arc::new(notes(&server.url()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { put(&*notes, "a", "0") });
    let (threads, updates) = (8, 5);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..updates {
                    let more = |note: Option<&Note>| {
                        let n: u32 = note.unwrap().content.parse().unwrap();
                        Ok((n + 1).to_string())
                    };
                    notes.modify(&path("a"), None, &mut { more }).unwrap();
                }
            });
        }
    });
    assert_eq!(content(&*notes, "a"), Some((threads * updates).to_string()), "none is lost");
    assert_eq!(server.begun(), 1, "by one connection");
    drop(notes);
    assert_eq!(server.left(), 1, "it took its leave");
}

#[test]
fn a_write_that_was_cut_off_is_not_made_twice_by_itself() {
    let texts = Texts::default();
    let usual = simple(texts.clone());
    let (cut, writes) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (cuts, counts) = (cut.clone(), writes.clone());
    let says: Arc<Says> = Arc::new(move |method, params| {
        let reply = usual(method, params);
        if params["name"] == "write_note" {
            counts.fetch_add(1, Ordering::SeqCst);
            if cuts.swap(false, Ordering::SeqCst) {
                return Reply::Raw(Vec::new());
            }
        }
        reply
    });
    let server = TestServer::new(Manner::default(), says);
    let notes = notes(&server.url());
    let from = WriteOptions { expected_version: None, origin: Some("landing 1".into()) };
    assert!(notes.write(&path("a"), "x", &from).unwrap_err().is_unavailable());
    assert_eq!(writes.load(Ordering::SeqCst), 1);
    // Who delivers it again finds it there.
    assert!(notes.write(&path("a"), "x", &from).unwrap().replayed);
    assert_eq!(writes.load(Ordering::SeqCst), 1);
    assert_eq!(texts.lock().unwrap()["|a"], "x");
}

#[test]
fn others_names_are_left_out_and_projects_are_apart() {
    let texts = Texts::default();
    let server = TestServer::new(Manner::default(), simple(texts.clone()));
    let of = |project: &str| {
        notes_at(Server { project: Some(project.into()), ..common::server(&server.url()) })
    };
    let (one, two) = (of("one"), of("two"));
    put(&one, "plans/a", "1");
    put(&two, "plans/b", "2");
    assert_eq!(content(&two, "plans/a"), None);
    let listed = two.list(&Pattern::new("plans/*").unwrap()).unwrap();
    assert_eq!(listed.iter().map(|n| n.path.as_str()).collect::<Vec<_>>(), ["plans/b"]);
}
