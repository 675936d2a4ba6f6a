"""Runs modules of CPython's own test suite; writes `OUTCOME ID` lines to results.txt."""
import fnmatch
import pathlib
import sys
import unittest

at = pathlib.Path(sys.argv[1])
excluded = (at / "excluded.txt").read_text().split()


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.lines = {}

    def startTest(self, test):
        super().startTest(test)
        # The last that is named is the one that ended the program.
        print(test.id(), flush=True)

    def add(self, test, outcome):
        # The worst of the parts of a test is what it came to.
        if self.lines.get(test.id()) in (None, "ok", "skipped"):
            self.lines[test.id()] = outcome

    def addSuccess(self, test):
        self.add(test, "ok")

    def addSkip(self, test, reason):
        self.add(test, "skipped")

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.add(test, "failed")

    def addError(self, test, error):
        super().addError(test, error)
        self.add(test, "error")

    def addExpectedFailure(self, test, error):
        self.add(test, "ok")

    def addSubTest(self, test, part, error):
        super().addSubTest(test, part, error)
        if error:
            self.add(test, "failed")


def tests(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests(test)
        elif not any(fnmatch.fnmatch(test.id(), e) for e in excluded):
            yield test


result = Result()
for module in sys.argv[2:]:
    found = unittest.defaultTestLoader.loadTestsFromName(module)
    unittest.TestSuite(tests(found)).run(result)
(at / "results.txt").write_text("".join(f"{o} {t}\n" for t, o in sorted(result.lines.items())))
for test, error in result.failures + result.errors:
    print(test.id(), error, sep="\n", file=sys.stderr)
