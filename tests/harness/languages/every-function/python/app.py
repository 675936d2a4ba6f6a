"""Calls every function of `brio:core`, and prints whether each answered as its WIT says."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import checkpoints, session, session_fs, session_journal, session_tools
from wit_world.imports.brio_core_types import AgentError_CheckFailed, TaskOutput


class Run(exports.Run):
    def run(self, context):
        failed = []

        def check(name, ask, holds=lambda _: True):
            try:
                value = ask()
                good = holds(value)
            except Err as error:
                value, good = error.value, False
            if not good:
                failed.append(name)
            print(f"OK {name}" if good else f"FAIL {name}: {value!r}")
            return value

        id, tools = context.session_id, session_tools
        check("write-file", lambda: tools.write_file("t/a.txt", b"one\ntwo\n"))
        check("read-file", lambda: tools.read_file("t/a.txt"), lambda v: v == b"one\ntwo\n")
        check("read-file-range", lambda: tools.read_file_range("t/a.txt", 2, 2), lambda v: v == "two\n")
        check("edit", lambda: tools.edit("t/a.txt", "two", "2", False), lambda v: v == 1)
        file = tools.EntryKind.FILE
        check("list-directory", lambda: tools.list_directory("t"),
              lambda v: [(e.name, e.kind, e.size) for e in v] == [("a.txt", file, 6)])
        check("status", lambda: session.status(id),
              lambda v: v.state == session.SessionState.OPEN and not v.open_children)
        added = session.ChangeKind.ADDED
        check("change-set", lambda: session.change_set(id),
              lambda v: any(c.path == "t/a.txt" and c.kind == added for c in v))
        check("metadata", lambda: session.metadata(id),
              lambda v: v.session_id == id and v.task_id == context.task_id)
        check("say", lambda: session_journal.say(id, "from Python"))
        check("decide", lambda: session_journal.decide(
            id, session_journal.Decision("one", "two", ["three", ""])))
        child = check("begin-session", lambda: session_fs.begin_session("/workspace"),
                      lambda v: v.startswith("sess-"))
        path = check("get-session-path", lambda: session_fs.get_session_path(child),
                     lambda v: v == f"/sessions/{child}")
        with open(f"{path}/landed.txt", "w") as f:
            f.write("landed")
        check("checkpoint", lambda: checkpoints.checkpoint(child, "one"),
              lambda v: v.name == "one" and v.created_at > 0)
        with open(f"{path}/landed.txt", "w") as f:
            f.write("later")
        check("restore", lambda: checkpoints.restore(child, "one"), lambda v: v.name == "one")
        check("checkpoints", lambda: checkpoints.checkpoints(child),
              lambda v: any(c.name == "one" for c in v))
        check("commit-session", lambda: session_fs.commit_session(child),
              lambda _: open("/workspace/landed.txt").read() == "landed")
        other = session_fs.begin_session("/workspace")
        check("rollback-session", lambda: session_fs.rollback_session(other),
              lambda _: session.status(other).state == session.SessionState.ROLLED_BACK)
        check("remove", lambda: tools.remove("t/a.txt"), lambda _: tools.list_directory("t") == [])
        try:
            tools.read_file("no/such/file")
            failed.append("not-found")
        except Err as error:
            if not isinstance(error.value, tools.ToolError_NotFound):
                failed.append("not-found")
        if failed:
            raise Err(AgentError_CheckFailed(f"{failed} did not hold"))
        return TaskOutput("every function answered", [])
