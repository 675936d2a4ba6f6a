//! `brio mcp`: how a session stands, checkpoints, and conflicts settled by hand.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::TestEnvironment;
use common::mcp::Client;
use serde_json::{Value, json};

fn write(client: &mut Client, session: &str, path: &str, content: &str) {
    let input = json!({ "session": session, "path": path, "content": content });
    client.call("write_file", input);
}

#[test]
fn a_session_goes_back_to_a_checkpoint_with_its_notes() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &[]);
    let s = client.session();
    let with = |name: &str| json!({ "session": s, "name": name });
    write(&mut client, &s, "new", "good");
    client.call("write_note", json!({ "session": s, "path": "plan", "content": "good" }));
    let made = client.call("checkpoint", with("works"));
    assert_eq!(made["checkpoint"]["name"], "works");
    write(&mut client, &s, "new", "bad");
    client.call("write_note", json!({ "session": s, "path": "plan", "content": "bad" }));
    client.refused("checkpoint", with("works"), "CHECKPOINT_EXISTS");
    for name in ["", "a/b", "before-restore"] {
        client.refused("checkpoint", with(name), "CHECKPOINT_NAME");
    }
    let error = client.refused("restore", with("other"), "CHECKPOINT_UNKNOWN");
    assert!(error["error"]["hint"].as_str().unwrap().contains("session_show"), "{error}");

    let read = |client: &mut Client| {
        let file = client.call("read_file", json!({ "session": s, "path": "new" }));
        let note = client.try_call("read_note", json!({ "session": s, "path": "plan" }));
        (file["content"].clone(), note["content"][0]["text"].clone())
    };
    let restored = client.call("restore", with("works"));
    let names: Vec<_> =
        restored["checkpoints"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(names, ["works", "before-restore"]);
    assert_eq!(read(&mut client), (json!("good"), json!("good")));
    client.call("restore", with("before-restore"));
    assert_eq!(read(&mut client), (json!("bad"), json!("bad")));
    client.call("restore", with("works"));

    let shown = client.call("session_show", json!({ "session": s }));
    assert_eq!((&shown["id"], &shown["run"]), (&json!(s), &json!("free")));
    assert_eq!(shown["checkpoints"][0]["name"], "works");
    assert_eq!((&shown["notes"], &shown["drift"]), (&json!(["plan"]), &json!([])));
    assert_eq!(shown["changes"]["added"], json!(["new"]));
    let uri = format!("brio://session/{s}");
    let read = client.ask("resources/read", json!({ "uri": uri }));
    let text = read["result"]["contents"][0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), shown, "one document");

    let mut delete = with("works");
    delete["delete"] = json!(true);
    let deleted = client.call("checkpoint", delete.clone());
    assert_eq!(
        (&deleted["checkpoint"], deleted["checkpoints"].as_array().unwrap().len()),
        (&Value::Null, 1)
    );
    client.refused("checkpoint", delete, "CHECKPOINT_UNKNOWN");
    client.call("commit", json!({ "session": s }));
    assert_eq!(env.read("new"), "good");
    client.refused("session_show", json!({ "session": s }), "SESSION_ENDED");
}

#[test]
fn conflicts_are_settled_by_markers_and_by_sides() {
    let env = TestEnvironment::new();
    for binary in ["one.bin", "two.bin"] {
        std::fs::write(env.base().join(binary), [0, 1]).unwrap();
    }
    let mut client = Client::start(&env, &[]);
    let (a, b) = (client.session(), client.session());
    for (s, word, byte) in [(&a, "theirs", "AAI="), (&b, "ours", "AAM=")] {
        let notes = format!("one\n{word}\nthree\n");
        write(&mut client, s, "notes.txt", &notes);
        for path in ["one.bin", "two.bin"] {
            client.call(
                "write_file",
                json!({ "session": s, "path": path, "content": byte, "encoding": "base64" }),
            );
        }
    }
    client.call("commit", json!({ "session": a }));
    let error = client.refused("commit", json!({ "session": b }), "CONFLICT");
    assert!(error["error"]["hint"].as_str().unwrap().contains("resolve"), "{error}");
    let shown = client.call("session_show", json!({ "session": b }));
    assert_eq!(shown["drift"].as_array().unwrap().len(), 3, "{shown}");
    assert_eq!(shown["drift"][0]["landing"], 1, "{shown}");

    let error = client.refused("resolve", json!({ "session": b }), "CONFLICT");
    assert_eq!(error["error"]["paths"], json!(["one.bin", "two.bin"]));
    assert!(error["error"]["hint"].as_str().unwrap().contains("`take`"), "{error}");
    let take = |sides: &[(&str, &str)]| {
        let take = sides.iter().map(|(path, side)| json!({ "path": path, "side": side }));
        json!({ "session": b, "take": take.collect::<Vec<_>>() })
    };
    client.refused("resolve", take(&[("one.bin", "ours")]), "CONFLICT");
    client.refused("resolve", take(&[("one.bin", "mine")]), "USAGE");
    client.refused("resolve", take(&[("../x", "ours")]), "INVALID_PATH");
    let both = [("one.bin", "ours"), ("two.bin", "theirs")];
    client.refused("resolve", take(&[both[0], both[1], ("src/lib.rs", "ours")]), "NO_CONFLICT");
    let done = client.call("resolve", take(&both));
    assert_eq!((&done["landing"], &done["marked"]), (&json!(1), &json!(["notes.txt"])));
    assert_eq!(done["taken"], take(&both)["take"]);

    let error = client.refused("commit", json!({ "session": b }), "UNRESOLVED");
    assert_eq!(error["error"]["paths"], json!(["notes.txt"]));
    let marked = client.call("read_file", json!({ "session": b, "path": "notes.txt" }));
    assert!(marked["content"].as_str().unwrap().contains("<<<<<<<"), "{marked}");
    write(&mut client, &b, "notes.txt", "one\nboth\nthree\n");
    client.call("commit", json!({ "session": b }));
    assert_eq!(env.read("notes.txt"), "one\nboth\nthree\n");
    let bytes = |name: &str| std::fs::read(env.base().join(name)).unwrap();
    assert_eq!((bytes("one.bin"), bytes("two.bin")), (vec![0, 3], vec![0, 2]));
}
