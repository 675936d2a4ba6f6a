"""Work of every day on an NFS mount: main.py AT OTHER TO FILES REPO, as `guest` calls it, see
place.py. Each function of the modules is a test: it prints "ok NAME" or "bad NAME", and what failed
on standard error."""

import os
import sys
import time
import traceback

import clients
import directories
import files
import programs
from place import AT, HERE, OTHER, run


def a_tree_is_removed():
    for name in ("host", "tests"):
        run("rm", "-rf", name, cwd=AT)
        assert not os.path.lexists(OTHER / name)
    run("rm", "-rf", HERE, cwd=AT)
    assert os.listdir(OTHER) == os.listdir(AT) == [], os.listdir(OTHER)


def main():
    HERE.mkdir()
    tests = [value for module in (directories, programs, files, clients)
             for value in vars(module).values()
             if getattr(value, "__module__", "") == module.__name__]
    for test in [*tests, a_tree_is_removed]:
        began = time.monotonic()
        try:
            test()
            print("ok", test.__name__, flush=True)
        except Exception:
            print("bad", test.__name__, flush=True)
            traceback.print_exc()
        print(f"{test.__name__}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)


main()
