use crate::hunks::apply;
use crate::parse::{FilePatch, parse};

fn one(diff: &str) -> FilePatch {
    let mut files = parse(diff, None).expect("a well-formed diff");
    assert_eq!(files.len(), 1);
    files.remove(0)
}

fn patch(text: &str, diff: &str) -> Result<String, String> {
    let result = apply(text.as_bytes(), &one(diff).hunks)?;
    Ok(String::from_utf8(result).expect("text stays text"))
}

const B_TO_X: &str = "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n";

#[test]
fn applies_at_its_place_and_moved() {
    assert_eq!(patch("a\nb\nc\n", B_TO_X).as_deref(), Ok("a\nx\nc\n"));
    assert_eq!(patch("0\n1\na\nb\nc\n", B_TO_X).as_deref(), Ok("0\n1\na\nx\nc\n"));
}

#[test]
fn says_which_hunk_and_why() {
    let error = patch("a\nB\nc\n", B_TO_X).expect_err("b is not B");
    assert_eq!(
        error,
        "hunk 1 of 1 (@@ -1,3 +1,3 @@) does not match: line 2 is `B`, the diff expects `b`"
    );
    let error = patch("a\r\nb\r\nc\r\n", B_TO_X).expect_err("line ends differ");
    assert!(error.contains("CRLF"), "{error}");
    let add = "--- a/f\n+++ b/f\n@@ -1,2 +1,3 @@\n a\n+x\n b\n";
    let error = patch("a\nx\nb\n", add).expect_err("applied already");
    assert!(error.ends_with("applied already"), "{error}");
}

#[test]
fn a_missing_newline_at_the_end_is_kept_apart() {
    let diff = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n";
    assert_eq!(patch("a", diff).as_deref(), Ok("a\n"));
    assert!(patch("a\n", diff).is_err());
    let diff = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n";
    assert_eq!(patch("a\n", diff).as_deref(), Ok("b"));
}

#[test]
fn short_context_matches_only_at_the_end_of_the_file() {
    let append = "--- a/f\n+++ b/f\n@@ -1,1 +1,2 @@\n a\n+b\n";
    assert_eq!(patch("0\na\n", append).as_deref(), Ok("0\na\nb\n"));
    assert!(patch("a\n0\n", append).is_err());
}

#[test]
fn several_hunks_keep_their_order() {
    let diff = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-a\n+A\n b\n@@ -3,2 +3,2 @@\n c\n-d\n+D\n";
    assert_eq!(patch("a\nb\nc\nd\n", diff).as_deref(), Ok("A\nb\nc\nD\n"));
    let same =
        "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n x\n-y\n+1\n z\n@@ -4,3 +4,3 @@\n x\n-y\n+2\n z\n";
    assert_eq!(patch("x\ny\nz\nx\ny\nz\n", same).as_deref(), Ok("x\n1\nz\nx\n2\nz\n"));
}

#[test]
fn reads_what_git_writes() {
    let file = one(
        "diff --git a/old b/dir/new\nsimilarity index 90%\nrename from old\nrename to dir/new\n",
    );
    assert_eq!((file.old.as_deref(), file.new.as_deref()), (Some("old"), Some("dir/new")));
    assert!(file.renamed);
    let file = one("diff --git a/e b/e\nnew file mode 100644\nindex 0000000..e69de29\n");
    assert_eq!((file.old.as_deref(), file.new.as_deref()), (None, Some("e")));
    let file = one(
        "diff --git a/e b/e\ndeleted file mode 100644\n--- a/e\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
    );
    assert_eq!((file.old.as_deref(), file.new.as_deref()), (Some("e"), None));
    let file = one("--- \"a/\\303\\244 b\"\n+++ \"b/\\303\\244 b\"\n@@ -0,0 +1 @@\n+x\n");
    assert_eq!(file.new.as_deref(), Some("ä b"));
    let file = one("--- f.orig\t2020-01-01\n+++ f\t2020-01-01\n@@ -0,0 +1 @@\n+x\n-- \n2.40.0\n");
    assert_eq!((file.old.as_deref(), file.new.as_deref()), (Some("f.orig"), Some("f")));
    assert_eq!(file.hunks[0].lines.len(), 1);
}

#[test]
fn refuses_what_it_cannot_apply() {
    for (diff, says) in [
        ("hello", "no unified diff"),
        ("--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n", "cut off"),
        ("--- a/f\n+++ b/f\n@@ -x +1 @@\n", "malformed"),
        ("--- a/../f\n+++ b/../f\n@@ -0,0 +1 @@\n+x\n", "below the current directory"),
        ("--- /etc/f\n+++ /etc/f\n@@ -0,0 +1 @@\n+x\n", "below the current directory"),
        ("diff --git a/l b/l\nnew file mode 120000\n", "symlink"),
        ("diff --git a/l b/l\nGIT binary patch\n", "binary"),
        ("@@ -1 +1 @@\n-a\n+b\n", "before any"),
    ] {
        let error = parse(diff, None).expect_err(diff);
        assert!(error.contains(says), "{diff}: {error}");
    }
}
