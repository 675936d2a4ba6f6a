"""Programs that everybody uses."""

import os
import shutil
import sqlite3
import time

from place import REPO, HERE, SEEN, NO_BUILDS, run, noise


def git_clones_commits_and_checks():
    env = dict(os.environ, GIT_CONFIG_COUNT="2", GIT_CONFIG_KEY_0="user.name",
               GIT_CONFIG_VALUE_0="Work", GIT_CONFIG_KEY_1="user.email",
               GIT_CONFIG_VALUE_1="work@example.org", GIT_CONFIG_NOSYSTEM="1")

    def git(*words, cwd=HERE / "clone"):
        return run("git", *words, cwd=cwd, env=env)

    first = HERE / "first"
    first.mkdir()
    git("init", "-q", "-b", "main", cwd=first)
    for name in ("session", "landing"):
        shutil.copytree(REPO / "host" / name, first / "host" / name, ignore=NO_BUILDS)
    git("add", "-A", cwd=first)
    git("commit", "-q", "-m", "one", cwd=first)
    git("clone", "-q", "--no-local", first, HERE / "clone", cwd=HERE)
    git("fsck", "--full", "--strict")
    assert git("status", "--porcelain") == ""
    git("checkout", "-q", "-b", "side")
    git("mv", "host/session", "host/moved")
    (HERE / "clone/host/new").write_bytes(noise(300_000, 1))
    git("add", "-A")
    git("commit", "-q", "-m", "two")
    git("checkout", "-q", "main")
    assert not (HERE / "clone/host/moved").exists()
    git("merge", "-q", "side")
    git("gc", "-q", "--prune=now")
    git("push", "-q", "origin", "side")
    git("fsck", "--full", cwd=first)
    assert git("status", "--porcelain") == ""
    run("diff", "-r", HERE / "first/host/landing", HERE / "clone/host/landing")


def a_tree_goes_in_and_out_by_tar():
    run("tar", "-cf", "/run/tree.tar", "-C", REPO, "--exclude=target", "host/store")
    (HERE / "tar").mkdir()
    run("tar", "-xpf", "/run/tree.tar", "-C", HERE / "tar")
    run("diff", "-r", "--exclude=target", REPO / "host/store", HERE / "tar/host/store")
    run("tar", "--compare", "-f", "/run/tree.tar", "-C", SEEN / "tar")
    out = run("sh", "-c", "tar -cf - host/store | tar -tf - | sort | md5sum", cwd=HERE / "tar")
    assert out == run("sh", "-c", "tar -tf /run/tree.tar | sort | md5sum")
    os.unlink("/run/tree.tar")


def a_program_is_built_and_run():
    at = HERE / "c"
    at.mkdir()
    parts = range(12)
    for i in parts:
        (at / f"part{i}.c").write_text(f"int part{i}(void) {{ return {i}; }}\n")
    (at / "main.c").write_text(
        "#include <stdio.h>\n" + "".join(f"int part{i}(void);\n" for i in parts)
        + "int main(void) { printf(\"%d\\n\", " + "+".join(f"part{i}()" for i in parts) + "); }\n")
    objects = " ".join(f"part{i}.o" for i in parts)
    (at / "Makefile").write_text(
        f"all: sum\nlib.a: {objects}\n\tar rcs $@ $^\nsum: main.o lib.a\n\t$(CC) -o $@ $^\n")
    run("make", "-j4", cwd=at)
    assert run("./sum", cwd=at) == f"{sum(parts)}\n"
    assert "Nothing to be done" in run("make", cwd=at)
    time.sleep(1.1)
    (at / "part3.c").write_text("int part3(void) { return 1003; }\n")
    run("make", cwd=at)
    assert run("./sum", cwd=at) == f"{sum(parts) + 1000}\n"


def sqlite_keeps_its_word():
    for mode in ("delete", "truncate", "persist", "wal"):
        path = HERE / f"{mode}.db"
        base = sqlite3.connect(path, isolation_level=None)
        assert base.execute(f"pragma journal_mode={mode}").fetchone() == (mode,)
        base.execute("create table t(i integer primary key, b blob)")
        for batch in range(5):
            base.execute("begin")
            base.executemany("insert into t(b) values (?)",
                             [(noise(200 + n, n),) for n in range(200)])
            base.execute("rollback" if batch == 3 else "commit")
        base.execute("delete from t where i % 3 = 0")
        base.execute("vacuum")
        assert base.execute("pragma integrity_check").fetchone() == ("ok",)
        kept = base.execute("select count(*), sum(length(b)) from t").fetchone()
        base.close()
        again = sqlite3.connect(path)
        assert again.execute("select count(*), sum(length(b)) from t").fetchone() == kept
        again.close()
