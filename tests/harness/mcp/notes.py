"""A project whose notes lie on a server that others wrote: it is killed, restarted, and gone on
with, by commands and by one process that stays.

    notes.py PYTHON BRIO SCRATCH [json] [stateless] [empty]     PYTHON: with an SDK of MCP
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

here = pathlib.Path(__file__).parent
python, brio, scratch, *how = sys.argv[1:]
scratch = pathlib.Path(scratch)
base, store = scratch / "base", scratch / "notes.json"
base.mkdir(parents=True)
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
url = f"http://127.0.0.1:{port}/mcp"
env = {**os.environ, "BRIO_HOME": str(scratch / "home")}


def fail(what):
    sys.exit(what)


def start():
    command = [python, str(here / "notes_server.py"), str(port), str(store), *how]
    log = open(scratch / "server.log", "a")
    server = subprocess.Popen(command, stdout=log, stderr=log)
    for _ in range(200):
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return server
        if server.poll() is not None:
            break
        time.sleep(0.05)
    fail(f"the server does not start: {(scratch / 'server.log').read_text()[-2000:]}")


def ran(*args):
    return subprocess.run([brio, *args], cwd=base, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def ok(*args):
    done = ran(*args)
    if done.returncode != 0:
        fail(f"{args}: {done.returncode} {done.stdout}{done.stderr}")
    return done.stdout


def same(got, wanted, what):
    if got != wanted:
        fail(f"{what}: {got!r} is not {wanted!r}")


def error(code, *args):
    done = ran(*args)
    if done.returncode == 0 or f"error: {code}: " not in done.stderr:
        fail(f"{args}: not {code}: {done.returncode} {done.stdout}{done.stderr}")
    return done.stderr


def away():
    for args in [
        ("project", "state"),
        ("project", "state", "set", "--task", "lost"),
        ("note", "read", "plans/next"),
        ("note", "read", "never"),
        ("note", "write", "plans/next", "lost"),
        ("note", "list"),
        ("note", "rm", "plans/next"),
        ("project", "migrate"),
    ]:
        said = error("NOTES_UNAVAILABLE", *args)
        if "BrainUnavailableError" not in said:
            fail(said)


class Staying:
    """`brio mcp`: one process, asked again and again."""

    def __init__(self):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([brio, "mcp"], cwd=base, env=env, text=True, **pipes)
        self.next = 0
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        self.ask("initialize", about)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def ask(self, method, params):
        self.next += 1
        self.send({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params})
        while True:
            answer = json.loads(self.process.stdout.readline())
            if answer.get("id") == self.next:
                return answer["result"]

    def call(self, tool, **arguments):
        return self.ask("tools/call", {"name": tool, "arguments": arguments})

    def read(self, path):
        result = self.call("read_note", path=path)
        return result["content"][0]["text"] if result.get("isError") else result["structuredContent"]["content"]


server = start()
try:
    for day, mode in [("02", "planning"), ("03", "coding")]:
        at = f"2026-01-{day}T00:00:00.000Z"
        old = {"sessionId": day, "currentMode": mode, "modeHistory": [], "version": 3, "createdAt": at, "updatedAt": at}
        ok("note", "write", f"sessions/session-{day}", json.dumps(old))
        ok("note", "write", f"session-{day}-agent-qa", json.dumps({"of": day}))
    said = ok("project", "init", "--notes", url, "--notes-project", "demo")
    same(said.splitlines()[-1], f"notes    {url}, project demo", "where it is said to be")
    same(ok("note", "list"), "sessions/session\n", "the record alone")
    # From the directory's own notes to the server.
    moved = ok("project", "migrate", "--from", str(base / ".brio/notes"))
    if not moved.endswith("Done: sessions found: 2, contexts migrated: 1, notes archived: 4, skipped: 0\n"):
        fail(moved)
    record = json.loads(ok("project", "state", "--json"))
    same((record["currentMode"], record["version"]), ("coding", 4), "the record that was migrated")
    same(json.loads(ok("note", "read", "sessions/agent-qa")), {"of": "03"}, "the context")
    ok("project", "state", "set", "--task", "parser")
    ok("note", "write", "plans/next", "first\n")
    ok("note", "write", "plans/next", "second, \"ü\"\n")
    same(ok("note", "read", "plans/next"), "second, \"ü\"\n", "a note")
    error("NOTE_UNKNOWN", "note", "read", "never")
    error("NOTES_NO_VERSIONS", "note", "write", "plans/next", "x", "--expected-version", "1")
    error("NOTE_CHANGED", "note", "write", "plans/next", "x", "--expected-version", "0")
    ok("note", "write", "gone", "x")
    ok("note", "rm", "gone")
    error("NOTE_UNKNOWN", "note", "read", "gone")
    same(ok("note", "list", "**"), "plans/next\nsessions/agent-qa\nsessions/session\n", "the list")
    stored = json.loads(store.read_text())["demo"]
    same(json.loads(stored["gone"])["deleted"], True, "the tombstone")
    same(json.loads(stored["sessions/session"])["activeTask"], "parser", "the record there")

    staying = Staying()
    same(staying.read("plans/next"), "second, \"ü\"\n", "by a process that stays")
    server.kill()
    server.wait()
    away()
    if "BrainUnavailableError" not in staying.read("plans/next"):
        fail("a process that stays does not see that the server is away")
    server = start()
    same(staying.read("plans/next"), "second, \"ü\"\n", "after the restart, by a process that stays")
    server.kill()
    server.wait()
    server = start()
    # The session that it had is forgotten, and nobody asked meanwhile.
    result = staying.call("write_note", path="plans/next", content="third")
    same(result.get("isError", False), False, f"a write after a restart: {result}")
    same(ok("note", "read", "plans/next"), "third", "by a command")
    state = json.loads(ok("project", "state", "--json"))
    same((state["activeTask"], state["version"]), ("parser", 5), "the record after restarts")
    ok("project", "state", "set", "--task", "lexer")
    staying.process.stdin.close()
    same(staying.process.wait(10), 0, "brio mcp ends")
    # Back: and from the server to the directory.
    old = {"sessionId": "x", "currentMode": "planning", "modeHistory": [], "version": 9,
           "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-09T00:00:00.000Z"}
    ok("note", "write", "sessions/session-x", json.dumps(old))
    ok("project", "init", "--notes", "local")
    ok("note", "rm", "sessions/session") if "sessions/session" in ok("note", "list") else None
    ok("project", "migrate", "--from", url, "--from-project", "demo")
    state = json.loads(ok("project", "state", "--json"))
    same((state["currentMode"], state["version"]), ("planning", 10), "what came back")
    same(ok("project", "migrate", "--from", url, "--from-project", "demo"), "Nothing to migrate\n", "twice")
finally:
    server.kill()
    server.wait()
