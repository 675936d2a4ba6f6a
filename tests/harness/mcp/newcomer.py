"""A whole task as a new user's assistant does it, by the README's one line and by what the server
says of itself: every call and its text is printed, to be looked at.

    newcomer.py README BRIO BASE
"""

import asyncio
import json
import os
import pathlib
import re
import sys

from mcp import Client, StdioServerParameters


def same(got, wanted, what):
    if got != wanted:
        sys.exit(f"{what}: {got!r} is not {wanted!r}")


async def call(client, tool, *, error=None, **arguments):
    result = await client.call_tool(tool, arguments)
    print(f"\n> {tool} {json.dumps(arguments)}")
    print(result.content[0].text)
    text = result.content[0].text
    if result.is_error:
        same(text.split(":")[0], error, "the error")
        same("\nhint: " in text, True, "a hint")
        return None
    same(error, None, "no error")
    return result.structured_content


async def task(client, base):
    print(client.instructions)
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    print("\ntools:", ", ".join(tools))
    # What an assistant tries before it knows better.
    await call(client, "read_file", session="current", path="a.txt", error="NO_CURRENT")
    await call(client, "read_file", session="my-session", path="a.txt", error="SESSION_UNKNOWN")
    begun = await call(client, "session_begin", goal="say it louder")
    session = begun["session"]
    await call(client, "list_directory", session=session)
    await call(client, "read_file", session=session, path="A.txt", error="NOT_FOUND")
    await call(client, "read_file", session=session, path="a.txt")
    await call(
        client, "edit", session=session, path="a.txt", old_text="One", new_text="ONE", error="NO_MATCH"
    )
    await call(client, "edit", session=session, path="a.txt", old_text="one", new_text="ONE")
    await call(client, "edit", session=session, path="gone.txt", old_text="old", new_text="OLD")
    await call(client, "write_file", session=session, path="docs/new.md", content="# LOUD\n")
    await call(client, "diff", session=session)
    await call(client, "session_show", session=session)
    same((base / "a.txt").read_text(), "one\n", "the base before")
    landed = await call(client, "commit", session=session, message="louder")
    same((base / "a.txt").read_text(), "ONE\n", "the base after")
    await call(client, "commit", session=session, error="SESSION_ENDED")
    await call(client, "log")
    await call(client, "undo", landing=landed["landing"])
    same((base / "a.txt").read_text(), "one\n", "the base, undone")
    same((base / "docs").exists(), False, "the base, undone")
    await call(client, "undo", landing=99, error="LANDING_UNKNOWN")

    # Somebody else lands the same line first.
    mine = (await call(client, "session_begin", goal="mine"))["session"]
    theirs = (await call(client, "session_begin", goal="theirs"))["session"]
    await call(client, "write_file", session=mine, path="a.txt", content="mine\n")
    await call(client, "write_file", session=theirs, path="a.txt", content="theirs\n")
    await call(client, "commit", session=theirs)
    await call(client, "commit", session=mine, error="CONFLICT")
    await call(client, "resolve", session=mine)
    await call(client, "commit", session=mine, error="UNRESOLVED")
    await call(client, "read_file", session=mine, path="a.txt")
    await call(client, "write_file", session=mine, path="a.txt", content="mine and theirs\n")
    await call(client, "commit", session=mine)
    same((base / "a.txt").read_text(), "mine and theirs\n", "the base, resolved")

    await call(client, "read_note", path="plans/next", error="NOTE_UNKNOWN")
    await call(client, "write_note", path="plans/next", content="# Next\n\nBe quiet again.\n")
    await call(client, "read_note", path="plans/next")
    await call(client, "list_notes")
    await call(client, "set_project_state", mode="coding", task="be quiet again")
    await call(client, "session_list")


async def main():
    readme, brio, base = sys.argv[1:]
    # The line that a new user copies.
    line = re.search(r"^claude mcp add brio -- (.+)$", pathlib.Path(readme).read_text(), re.M)
    command, *args = line[1].split()
    same(command, pathlib.Path(brio).name, "the README's command")
    path = f"{pathlib.Path(brio).parent}:{os.environ['PATH']}"
    env = {name: os.environ[name] for name in ("HOME", "BRIO_HOME")} | {"PATH": path}
    server = StdioServerParameters(command=command, args=args, cwd=base, env=env)
    async with Client(server) as client:
        await task(client, pathlib.Path(base))


asyncio.run(main())
