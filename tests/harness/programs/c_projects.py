"""clang compiles C projects in a session, wasm-ld links them, and what they make is run."""

import gzip
import json
import pathlib
import shutil
import sqlite3
import subprocess
import tarfile

from brio import Failed, compared
from fetch import PINS, package

HERE = pathlib.Path(__file__).parent
USR = "/workspace/usr"
EMULATED = {
    "signal": "_WASI_EMULATED_SIGNAL", "process-clocks": "_WASI_EMULATED_PROCESS_CLOCKS",
    "mman": "_WASI_EMULATED_MMAN", "getpid": "_WASI_EMULATED_GETPID",
}


class Clang:
    """The compiler and the linker: one program, which goes by the name that it is called by."""

    def __init__(self, work):
        self.at = package("clang") / "package/gen"
        self.clang, self.ld = work / "clang.wasm", work / "wasm-ld.wasm"
        for name in (self.clang, self.ld):
            if not name.exists():
                name.symlink_to(self.at / "llvm.core.wasm")
        self.usr = work / "usr"
        if not self.usr.exists():
            with tarfile.open(self.at / "llvm-resources.tar") as whole:
                # Of C++ there is nothing to compile here.
                keep = [m for m in whole if not m.name.startswith(("share", "include/c++"))]
                whole.extractall(self.usr, keep)

    def base(self, at, *sources):
        """A project with the headers and libraries of its compiler."""
        at.mkdir()
        shutil.copytree(self.usr, at / "usr")
        for source in sources:
            if source.is_dir():
                shutil.copytree(source, at / source.name)
            else:
                shutil.copy(source, at)

    def compile(self, base, file, *flags):
        made = pathlib.Path(file).with_suffix(".o").name
        where = [f"--sysroot={USR}", "-resource-dir", USR]
        return self.clang, base, [*where, *flags, "-c", file, "-o", made]

    def link(self, base, made, objects, *libraries):
        lib = f"{USR}/lib/wasm32-wasip1"
        last = ["-lc", f"{USR}/lib/wasm32-unknown-wasip1/libclang_rt.builtins.a", "-o", made]
        stack = ["-z", "stack-size=8388608"]
        args = [f"-L{lib}", f"{lib}/crt1-command.o", *objects, *stack, *libraries, *last]
        return self.ld, base, args


def row(program, pin, size, done, result, starts=(None, None), took=None):
    p = PINS[pin]
    return {
        "program": program, "version": p["version"], "source": f"{p['client']} `{p['name']}`",
        "size": size, "done": done, "result": result, "cold": starts[0], "start": starts[1],
        **(took or {}),
    }


def clang(brio, work, repetitions):
    tools = Clang(work)
    zlib = package("zlib") / f"libz-sys-{PINS['zlib']['version']}/src/zlib"
    sources = sorted(zlib.glob("*.[ch]"))
    files = sorted(p.name for p in sources if p.suffix == ".c") + ["pack.c"]
    text = b"".join(p.read_bytes() for p in sources)

    def make(base):
        tools.base(base, *sources, HERE / "guest/pack.c")
        (base / "text").write_bytes(text)

    def steps(base):
        # What zlib's configure would have found out.
        flags = ["-O2", "-DHAVE_UNISTD_H"]
        yield from (tools.compile(base, f, *flags) for f in files)
        yield tools.link(base, "pack.wasm", [f[:-2] + ".o" for f in files])
        yield base / "pack.wasm", base, ["text", "text.gz", "again"]

    def check(base):
        if gzip.decompress((base / "text.gz").read_bytes()) != text:
            raise Failed("what zlib packed is not what gzip unpacks")
        if (base / "again").read_bytes() != text:
            raise Failed("what zlib packed is not what it unpacks")

    starts = brio.starts(tools.clang, ["--version"])
    took = compared(brio, make, steps, check, repetitions)
    done = f"compiles zlib {PINS['zlib']['version']} of cargo `libz-sys` ({len(files)} files), links it, runs it"
    result = "objects, program and its output equal; gzip unpacks what it packed"
    return [row("clang, wasm-ld", "clang", tools.clang.stat().st_size, done, result, starts, took)]


def built(brio, work, name, sources, files, flags, libraries):
    """Compiles and links a project in sessions on one base, each step landed for the next."""
    tools = Clang(work)
    base = work / f"{name}-project"
    tools.base(base, *sources)
    link = [f"-lwasi-emulated-{e}" for e in libraries]
    flags = [*flags, *(f"-D{EMULATED[e]}" for e in libraries)]
    took = sum(brio.run(*tools.compile(base, f, *flags)).inside for f in files)
    objects = [pathlib.Path(f).with_suffix(".o").name for f in files]
    took += brio.run(*tools.link(base, f"{name}.wasm", objects, *link)).inside
    program = work / f"{name}.wasm"
    shutil.copy(base / program.name, program)
    return program, f"compiled by clang in a session in {took:.0f} s"


SQL = """
PRAGMA journal_mode=%s;
PRAGMA synchronous=FULL;
PRAGMA temp_store=MEMORY;
CREATE TABLE entry(id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INTEGER);
CREATE INDEX entry_n ON entry(n);
BEGIN;
WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i<50000)
  INSERT INTO entry SELECT i, 'name ' || i, (i * 7919) %% 10007 FROM c;
COMMIT;
BEGIN; DELETE FROM entry WHERE n %% 3 = 0; ROLLBACK;
UPDATE entry SET n = n + 1 WHERE id %% 5 = 0;
DELETE FROM entry WHERE id %% 7 = 0;
VACUUM;
PRAGMA integrity_check;
SELECT count(*), sum(n), max(name) FROM entry;
"""


def sqlite(brio, work, repetitions):
    source = package("sqlite") / f"sqlite3-src-{PINS['sqlite']['version']}/source"
    sources = [source / n for n in ("sqlite3.c", "sqlite3.h", "sqlite3ext.h", "shell.c")]
    flags = ["-O1", "-DSQLITE_THREADSAFE=0", "-DSQLITE_OMIT_LOAD_EXTENSION", "-DSQLITE_NOHAVE_SYSTEM"]
    files = ["sqlite3.c", "shell.c"]
    shell, how = built(brio, work, "sqlite3", sources, files, flags, list(EMULATED))
    modes = ["DELETE", "TRUNCATE", "PERSIST", "WAL"]

    def sql(mode):
        # Without shared memory a log needs the database for itself.
        alone = "PRAGMA locking_mode=EXCLUSIVE;" if mode == "WAL" else ""
        return alone + SQL % mode

    def answer(base, mode):
        # The same, by the SQLite of this Python.
        file = base.parent / "native.db"
        file.unlink(missing_ok=True)
        with sqlite3.connect(file, isolation_level=None) as db:
            db.executescript(sql("DELETE"))
            return db.execute("SELECT count(*), sum(n), max(name) FROM entry").fetchall()

    def steps(base):
        for mode in modes:
            yield shell, base, ["-batch", f"{mode}.db", sql(mode)]

    def check(base):
        # It stays, and begins with a number drawn by chance.
        (base / "PERSIST.db-journal").unlink()
        for mode in modes:
            with sqlite3.connect(f"file:{base / mode}.db?mode=ro", uri=True) as db:
                if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                    raise Failed(f"{mode}: the database is not whole")
                found = db.execute("SELECT count(*), sum(n), max(name) FROM entry").fetchall()
                journal = db.execute("PRAGMA journal_mode").fetchone()[0]
            if found != answer(base, mode):
                raise Failed(f"{mode}: {found} is not what another SQLite finds")
            if (mode == "WAL") != (journal == "wal"):
                raise Failed(f"{mode}: the journal is {journal}")

    starts = brio.starts(shell, ["-version"])
    took = compared(brio, pathlib.Path.mkdir, steps, check, repetitions)
    version = brio.run(shell, work / "empty", ["-version"]).stdout.decode().split()[0]
    done = f"SQLite {version}'s shell, {how}; 50,000 rows in each of {', '.join(modes)}"
    result = "integrity_check ok, rows as in this Python's SQLite, databases equal"
    return [row("SQLite", "sqlite", shell.stat().st_size, done, result, starts, took)]


def quickjs(brio, work, repetitions):
    source = package("quickjs") / f"rquickjs-sys-{PINS['quickjs']['version']}/quickjs"
    files = ["gen/repl.c", "gen/standalone.c", "dtoa.c", "libregexp.c", "libunicode.c",
             "quickjs-libc.c", "qjs.c", "quickjs.c"]
    sources = [source / "gen", *sorted(source.glob("*.[ch]"))]
    flags = ["-O1", "-D_GNU_SOURCE", "-I."]
    qjs, how = built(brio, work, "qjs", sources, files, flags, ["signal", "process-clocks"])
    text = (source / "README.md").read_text() + (source / "SECURITY.md").read_text()

    def make(base):
        base.mkdir()
        (base / "text.txt").write_text(text)
        shutil.copy(HERE / "guest/job.js", base)

    def check(base):
        found = json.loads((base / "report.json").read_text())
        if found["primes"] != 148933 or not found["e"].startswith("27182818284590452353602874713526"):
            raise Failed(f"it computed {found}")
        words = [f.read_text().split() for f in [base / "most.txt", *(base / "out").glob("*.txt")]]
        if len(words) != found["distinct"] - 1 or words[0][0] != found["first"][0]:
            raise Failed(f"{len(words)} files for {found['distinct']} words")

    starts = brio.starts(qjs, ["-e", "0"])
    took = compared(brio, make, lambda base: [(qjs, base, ["job.js"])], check, repetitions)
    version = brio.run(qjs, work / "empty", ["-e", "console.log(scriptArgs, navigator.userAgent)"])
    name = version.stdout.decode().split()[-1]
    size = qjs.stat().st_size
    rows = [row("QuickJS", "quickjs", size, f"{name}, {how}; a job over files, a sieve, digits of e",
                "figures known, files equal", starts, took)]
    rows.append(own_tests(brio, work, qjs, source, size))
    return rows


def own_tests(brio, work, qjs, source, size):
    """The engine's own tests, each in a session and by --preopen: the same status."""
    excluded = dict(line.split(" ", 1) for line in (HERE / "excluded-quickjs.txt").read_text().splitlines()
                    if line and not line.startswith("#"))
    base = work / "quickjs-tests"
    base.mkdir()
    shutil.copytree(source / "tests", base / "tests")
    passed, seconds = 0, {False: 0.0, True: 0.0}
    for test in sorted((base / "tests").glob("*.js")):
        if test.stem in excluded or test.stem.startswith(("fixture_", "test_worker_", "assert")):
            continue
        for preopen in (False, True):
            ran = brio.run(qjs, base, [f"tests/{test.name}"], preopen=preopen, check=False)
            if ran.status:
                raise Failed(f"{test.name}: {ran.stdout.decode()}{ran.stderr.decode()}")
            seconds[preopen] += ran.inside
        passed += 1
    result = f"{passed} of {passed} files pass, also by --preopen; {len(excluded)} excluded, see `excluded-quickjs.txt`"
    took = {"session": seconds[False], "preopen": seconds[True], "repetitions": 1}
    return row("QuickJS's tests", "quickjs", size, "its own test files, one agent each", result, took=took)
