//! Children in files of their own, and files that cannot be read.

use std::fs;
use std::path::{Path, PathBuf};

use brio_supervisor::StepKind;
use brio_supervisor::file::{Format, TaskFileErrors, parse, read};

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("one")).expect("made");
        fs::write(&path, text).expect("written");
        path
    }

    fn errors(&self, name: &str) -> TaskFileErrors {
        read(&self.0.path().join(name)).expect_err("refused")
    }
}

const STEP: &str = "[[steps]]\nagent = './a.wasm'\n";

fn parent(name: &str, children: &[&str]) -> String {
    let children: String =
        children.iter().map(|c| format!("[[children]]\nfile = '{c}'\n")).collect();
    format!("name = '{name}'\n{children}")
}

#[test]
fn a_child_may_be_a_file() {
    let dir = Dir::new();
    let top = dir.write(
        "top.toml",
        "name = 'top'\n[[children]]\nfile = 'below/one.json'\nmay-fail = true\n\
         [[children]]\nfile = 'below/one.json'\nname = 'again'",
    );
    dir.write("below/one.json", r#"{"name": "one", "steps": [{"agent": "./a.wasm"}]}"#);
    let task = read(&top).unwrap_or_else(|e| panic!("{e}"));
    let names: Vec<_> = task.children.tasks.iter().map(|c| (&*c.task.name, c.may_fail)).collect();
    assert_eq!(names, [("one", true), ("again", false)]);
    let StepKind::Agent(agent) = &task.children.tasks[0].task.steps[0].kind else {
        panic!("an agent");
    };
    assert_eq!(agent.agent, dir.0.path().join("below/a.wasm"), "relative to the file that says it");
    // A text finds files too.
    let text = fs::read_to_string(&top).expect("read");
    assert_eq!(parse(&text, Format::Toml, dir.0.path()).unwrap_or_else(|e| panic!("{e}")), task);
}

#[test]
fn files_that_include_each_other_are_told_with_the_chain() {
    let dir = Dir::new();
    dir.write("self.toml", &parent("s", &["./self.toml"]));
    let errors = dir.errors("self.toml");
    let shown = errors.to_string();
    assert!(shown.contains("self.toml → ") && shown.contains("break the chain"), "{shown}");
    dir.write("a.toml", &parent("a", &["b.toml"]));
    dir.write("b.toml", &parent("b", &["x/../c.toml"]));
    dir.write("x/d.toml", "");
    dir.write("c.toml", &parent("c", &["a.toml"]));
    let errors = dir.errors("a.toml");
    let error = errors.iter().next().expect("one");
    assert_eq!((errors.count(), error.code()), (1, "TASK_CYCLE"), "{errors}");
    // Told where it closes.
    assert!(error.file().is_some_and(|f| f.ends_with("x/../c.toml")), "{errors}");
    assert_eq!(error.key().as_deref(), Some("children[0].file"));
    let chain = error.what();
    let order: Vec<_> = ["a.toml →", "b.toml →", "c.toml →", "a.toml"]
        .iter()
        .scan(0, |from, name| {
            let at = chain[*from..].find(name).map(|at| at + *from);
            *from = at.unwrap_or(*from) + 1;
            Some(at)
        })
        .collect();
    assert!(order.iter().all(Option::is_some), "{chain}");
    // One that two children include is no cycle.
    dir.write("x.toml", &parent("x", &["one.toml"]));
    dir.write("y.toml", &parent("y", &["one.toml"]));
    dir.write("one.toml", &format!("name = 'one'\n{STEP}"));
    let top = dir.write("top.toml", &parent("top", &["x.toml", "y.toml"]));
    let _ = read(&top).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn what_is_wrong_in_a_child_is_told_with_its_file() {
    let dir = Dir::new();
    dir.write("top.toml", &format!("{}nonsense = 1\n", parent("top", &["a.toml", "b.toml"])));
    dir.write("a.toml", &format!("name = 'a'\nbase = '.'\n{STEP}"));
    dir.write("b.toml", "name = 'b'\n[[steps]]\nagnet = 'x'");
    let errors = dir.errors("top.toml");
    let told: Vec<_> = errors
        .iter()
        .map(|e| (e.file().and_then(Path::file_name).expect("a file"), e.line(), e.code()))
        .map(|(file, line, code)| (file.to_str().expect("UTF-8"), line, code))
        .collect();
    assert_eq!(
        told,
        [
            ("top.toml", Some(6), "TASK_KEY_UNKNOWN"),
            ("a.toml", Some(2), "TASK_KEY_MISPLACED"),
            ("b.toml", Some(3), "TASK_KEY_UNKNOWN"),
        ]
    );
    // By itself it may have one.
    let _ = read(&dir.0.path().join("a.toml")).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn files_that_cannot_be_read() {
    let dir = Dir::new();
    fs::create_dir(dir.0.path().join("directory.toml")).expect("made");
    fs::write(dir.0.path().join("latin.toml"), b"name = '\xe9'").expect("written");
    let large = fs::File::create(dir.0.path().join("large.toml")).expect("made");
    large.set_len(1 << 40).expect("sparse");
    let mut names = vec![
        ("missing.toml", "No such file"),
        ("directory.toml", "no regular file"),
        ("latin.toml", "not UTF-8"),
        ("large.toml", "larger than"),
    ];
    #[cfg(unix)]
    {
        let made =
            std::process::Command::new("mkfifo").arg(dir.0.path().join("pipe.toml")).status();
        assert!(made.is_ok_and(|s| s.success()), "a pipe");
        names.push(("pipe.toml", "no regular file"));
    }
    for (name, says) in names {
        let errors = dir.errors(name);
        assert_eq!(errors.code(), "TASK_UNREADABLE", "{errors}");
        assert!(errors.to_string().contains(says) && errors.to_string().contains(name), "{errors}");
        // As a child it is told where it is named.
        dir.write("top.toml", &parent("top", &[name]));
        let errors = dir.errors("top.toml");
        let error = errors.iter().next().expect("one");
        assert_eq!((error.line(), error.code()), (Some(3), "TASK_UNREADABLE"), "{errors}");
        assert!(error.what().contains(says), "{errors}");
    }
    dir.write("top.toml", "name = 'top'\n[[children]]\nfile = 'x'\ngoal = 'y'");
    let errors = dir.errors("top.toml");
    assert!(errors.to_string().contains("the child is what `file` says"), "{errors}");
}

#[test]
fn depth_and_count_are_bounded() {
    let dir = Dir::new();
    for depth in 0..40 {
        dir.write(&format!("{depth}.toml"), &parent("d", &[&format!("{}.toml", depth + 1)]));
    }
    dir.write("40.toml", &format!("name = 'd'\n{STEP}"));
    let errors = dir.errors("0.toml");
    assert!(errors.to_string().contains("more than 16 deep"), "{errors}");
    let _ = read(&dir.0.path().join("24.toml")).unwrap_or_else(|e| panic!("{e}"));
    // A handful of files that stand for 10^15 tasks.
    for depth in 0..15 {
        let below = format!("w{}.toml", depth + 1);
        let children: String =
            (0..10).map(|n| format!("[[children]]\nfile = '{below}'\nname = 'n{n}'\n")).collect();
        dir.write(&format!("w{depth}.toml"), &format!("name = 'w'\n{children}"));
    }
    dir.write("w15.toml", &format!("name = 'w'\n{STEP}"));
    let errors = dir.errors("w0.toml");
    assert!(errors.to_string().contains("more than 10000 tasks"), "{errors}");
    // A thousand are fine.
    let thousand: String = (0..1000)
        .map(|n| format!("[[children]]\nname = 'n{n}'\nsteps = [{{ agent = 'hello' }}]\n"))
        .collect();
    let many = dir.write("many.toml", &format!("name = 'm'\nsession = 'none'\n{thousand}"));
    let task = read(&many).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(task.children.tasks.len(), 1000);
}

#[test]
fn mistakes_without_end_are_told_only_so_far() {
    let text = "name = 'a'\n".to_owned() + &"[[steps]]\nx = 1\n".repeat(50_000);
    let errors = parse(&text, Format::Toml, Path::new("/")).expect_err("mistakes");
    assert_eq!(errors.count(), 100);
}
