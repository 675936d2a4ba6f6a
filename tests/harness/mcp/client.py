"""A whole task by the official Python client: begin, edit three files, diff, commit, undo; notes.

    client.py MODE stdio BRIO BASE     MODE: auto, or legacy
    client.py MODE URL BASE
"""

import asyncio
import json
import pathlib
import sys

from mcp import Client, StdioServerParameters


def same(got, wanted, what):
    if got != wanted:
        sys.exit(f"{what}: {got!r} is not {wanted!r}")


async def call(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        sys.exit(f"{tool} {arguments}: {result.content[0].text}")
    # The client has checked it against the tool's output schema.
    return result.structured_content


async def task(client, base):
    tools = {tool.name for tool in (await client.list_tools()).tools}
    wanted = {
        "session_begin", "session_list", "read_file", "write_file", "edit", "remove",
        "list_directory", "search", "diff", "commit", "rollback", "log", "undo", "run_agent",
        "session_show", "checkpoint", "restore", "resolve", "read_note", "write_note", "list_notes", "remove_note", "note_history",
        "get_project_state", "set_project_state", "save_agent_context", "load_agent_context",
    }
    same(wanted - tools, set(), "tools that lack")
    session = (await call(client, "session_begin", goal="by the Python client"))["session"]
    await call(client, "edit", session=session, path="a.txt", old_text="one", new_text="ONE")
    await call(client, "write_file", session=session, path="b/c.txt", content="new\n")
    await call(client, "remove", session=session, path="gone.txt")
    found = await call(client, "search", session=session, pattern="ONE")
    same([m["path"] for m in found["matches"]], ["a.txt"], "search")
    await call(client, "checkpoint", session=session, name="done")
    await call(client, "write_file", session=session, path="a.txt", content="too much\n")
    await call(client, "restore", session=session, name="done")
    shown = await call(client, "session_show", session=session)
    same([c["name"] for c in shown["checkpoints"]], ["done", "before-restore"], "checkpoints")
    diff = await call(client, "diff", session=session)
    same(diff["changes"]["removed"], ["gone.txt"], "diff")
    same((base / "a.txt").read_text(), "one\n", "the base before")
    uri = f"brio://session/{session}/diff"
    uris = [str(resource.uri) for resource in (await client.list_resources()).resources]
    same(uri in uris, True, "resources")
    read = await client.read_resource(uri)
    same(read.contents[0].text, diff["diff"], "the diff as a resource")

    refused = await client.call_tool("read_file", {"session": session, "path": "../x"})
    same(refused.is_error, True, "a path that leads out")
    error = json.loads(refused.content[1].text)["error"]
    same(error["code"], "INVALID_PATH", "its code")

    landed = await call(client, "commit", session=session, message="three files")
    same(landed["result"], "landed", "commit")
    same((base / "a.txt").read_text(), "ONE\n", "the base")
    same((base / "b/c.txt").read_text(), "new\n", "the base")
    same((base / "gone.txt").exists(), False, "the base")
    ran = await call(client, "run_agent", agent="hello", task="Python")
    same(ran["outcome"], "succeeded", "run_agent")
    await call(client, "undo", landing=ran["landing"])
    await call(client, "undo", landing=landed["landing"])
    same(sorted(p.name for p in base.iterdir() if p.name != ".brio"), ["a.txt", "gone.txt"], "undone")
    same((base / "a.txt").read_text(), "one\n", "undone")


async def notes(client, base):
    """The project's notes and record, also by the names that other servers of notes have."""
    await call(client, "write_note", path="plans/next", content="# Next\n")
    read = await client.call_tool("read_note", {"identifier": "plans/next", "project": str(base)})
    same(read.content[0].text, "# Next\n", "a note")
    same(read.structured_content["version"], 1, "its version")
    listed = await call(client, "list_notes", pattern="plans/*")
    same([note["path"] for note in listed["notes"]], ["plans/next"], "notes")
    await call(client, "remove_note", path="plans/next")
    history = await call(client, "note_history", path="plans/next")
    same([v["content"] for v in history["versions"]], [None, "# Next\n"], "its history")
    missing = await client.call_tool("read_note", {"path": "plans/next"})
    same(json.loads(missing.content[1].text)["error"]["code"], "NOTE_UNKNOWN", "a note that is gone")
    before = await call(client, "get_project_state")
    after = await call(client, "set_project_state", mode="coding", task="parser")
    same(after["version"], before["version"] + 1, "the record's version")
    await call(client, "save_agent_context", agent="planner", context={"step": 1})
    loaded = await call(client, "load_agent_context", agent="planner")
    same(loaded["context"], {"step": 1}, "a context")
    same((await call(client, "load_agent_context", agent="qa"))["context"], None, "no context")


async def main():
    mode, where, *rest = sys.argv[1:]
    base = pathlib.Path(rest[-1])
    if where == "stdio":
        server = StdioServerParameters(command=rest[0], args=["mcp"], cwd=str(base))
    else:
        server = where
    async with Client(server, mode=mode) as client:
        await task(client, base)
        await notes(client, base)


asyncio.run(main())
