"""Runs programs as agents: in a session, and by `--preopen`, over bases that begin alike."""

import hashlib
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import time

# In the base, and of the run, not of the program.
OWN = {".brio"}
LIMITS = ["--memory", "3GiB", "--timeout", "30m", "--cpu", "30m"]


class Failed(Exception):
    """A program did not do what was expected of it."""


class Run:
    """What one run of an agent took and printed."""

    def __init__(self, whole, ran):
        self.whole = whole
        self.status = ran.returncode
        self.stdout, self.stderr = ran.stdout, ran.stderr
        took = re.search(rb": \w+ in ([0-9.]+) s", ran.stderr)
        # From its first instruction to its end: without loading it and without landing.
        self.inside = float(took.group(1)) if took else None


class Brio:
    def __init__(self, program, work):
        self.program = program
        self.work = pathlib.Path(work)
        self.home = self.work / "home"
        self.home.mkdir(mode=0o700)

    def run(self, agent, base, args, flags=(), preopen=False, check=True):
        command = [self.program, "run", agent, "--base", base, *LIMITS, *flags]
        if preopen:
            command.append("--preopen")
        env = {"PATH": os.environ["PATH"], "BRIO_HOME": str(self.home), "LANG": "C.UTF-8"}
        begun = time.monotonic()
        ran = subprocess.run([*map(str, command), "--", *args], capture_output=True, env=env)
        run = Run(time.monotonic() - begun, ran)
        if check and run.status:
            said = (run.stdout + run.stderr).decode(errors="replace").strip()[-2000:]
            how = " by --preopen" if preopen else ""
            raise Failed(f"{pathlib.Path(agent).name}{how}: status {run.status}\n{said}")
        return run

    def starts(self, agent, args, flags=(), base=None, times=10):
        """Seconds to the end of a run that does nothing: compiled for it, and in the middle of
        those that find it compiled, from the start of the process to its end."""
        base = base or self.work / "empty"
        base.mkdir(exist_ok=True)
        cold, *warm = (self.run(agent, base, args, flags).whole for _ in range(1 + times))
        return cold, statistics.median(warm)


def tree(at):
    """Every path of a base with what it is and the SHA-256 of its content."""
    found = {}
    for directory, names, files in os.walk(at):
        if pathlib.Path(directory) == pathlib.Path(at):
            names[:] = [n for n in names if n not in OWN]
        for name in names + files:
            path = pathlib.Path(directory, name)
            where = str(path.relative_to(at))
            if path.is_symlink():
                found[where] = ("link", os.readlink(path))
            elif path.is_dir():
                found[where] = ("directory",)
            else:
                found[where] = ("file", hashlib.sha256(path.read_bytes()).hexdigest())
    return found


def differences(one, other):
    return sorted(p for p in one.keys() | other.keys() if one.get(p) != other.get(p))


def compared(brio, make, steps, check, repetitions):
    """Runs the steps over bases of `make`, in turns in a session and by --preopen.

    What lands has to be the same, byte for byte, and to pass `check(base)` each time. Returns
    the medians of the seconds inside of the agents, and of the whole commands.
    """
    inside, whole = {False: [], True: []}, {False: [], True: []}
    before = None
    for turn in range(repetitions):
        order = (False, True) if turn % 2 == 0 else (True, False)
        landed = {}
        for preopen in order:
            base = brio.work / f"base-{turn}-{'preopen' if preopen else 'session'}"
            make(base)
            before = before or tree(base)
            runs = [brio.run(*step, preopen=preopen) for step in steps(base)]
            inside[preopen].append(sum(r.inside for r in runs))
            whole[preopen].append(sum(r.whole for r in runs))
            check(base)
            landed[preopen] = tree(base)
            shutil.rmtree(base)
        different = differences(landed[False], landed[True])
        if different:
            raise Failed(f"a session and --preopen differ in {', '.join(different[:9])}")
        if landed[False] == before:
            raise Failed("nothing landed")
    middle = statistics.median
    return {
        "session": middle(inside[False]), "preopen": middle(inside[True]),
        "session_whole": middle(whole[False]), "preopen_whole": middle(whole[True]),
        "repetitions": repetitions,
    }
