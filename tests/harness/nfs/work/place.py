"""Where the tests work, and what they share."""

import errno
import random
import shutil
import subprocess
import sys
from multiprocessing import Process
from pathlib import Path

# Two mounts of one export that share no cache, the second without an attribute cache; where a file
# `kill` has the server killed and begun again; how many files AT/many holds; this repository.
AT, OTHER, TO, FILES, REPO = (
    Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
NO_BUILDS = shutil.ignore_patterns("target")
HERE = AT / "work"
SEEN = OTHER / "work"


def run(*command, cwd=HERE, **more):
    done = subprocess.run(list(map(str, command)), cwd=cwd, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **more)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-2000:]}"
    return done.stdout


def refused(number, call, *given):
    try:
        call(*given)
    except OSError as error:
        assert error.errno == number, f"{error}, not {errno.errorcode[number]}"
    else:
        raise AssertionError(f"{call.__name__}{given} was not refused")


def noise(size, seed):
    return random.Random(seed).randbytes(size)


def in_processes(of, each):
    """Runs `each(index)` in `of` processes; what they return is told by their exit."""
    all_of_them = [Process(target=lambda i=i: sys.exit(each(i) or 0)) for i in range(of)]
    for process in all_of_them:
        process.start()
    for process in all_of_them:
        process.join()
    return [process.exitcode for process in all_of_them]
