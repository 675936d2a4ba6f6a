"""A server of notes by the official Python SDK, old or new, as the first of its kind were: three
tools, texts, no versions. What was written survives it.

    notes_server.py PORT FILE [json] [stateless] [empty]

    json       answers are JSON, not events
    stateless  it knows no sessions
    empty      a note that is missing is an empty text, not an error
"""

import fnmatch
import json
import os
import pathlib
import sys

port, file, *how = int(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:]
options = {"json_response": "json" in how, "stateless_http": "stateless" in how}
try:
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError

    server = MCPServer("notes")
    run = lambda: server.run("streamable-http", host="127.0.0.1", port=port, **options)
except ImportError:
    from mcp.server.fastmcp import FastMCP
    from mcp.server.fastmcp.exceptions import ToolError

    server = FastMCP("notes", host="127.0.0.1", port=port, **options)
    run = lambda: server.run("streamable-http")


def notes(project):
    everything = json.loads(file.read_text()) if file.exists() else {}
    return everything, everything.setdefault(project, {})


@server.tool()
def read_note(identifier: str, project: str | None = None) -> str:
    """Reads a note."""
    found = notes(project or "")[1].get(identifier)
    if found is None:
        if "empty" in how:
            return ""
        raise ToolError(f"Note not found: {identifier}")
    return found


@server.tool()
def write_note(path: str, content: str, project: str | None = None) -> str:
    """Writes a note."""
    everything, its = notes(project or "")
    its[path] = content
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(everything))
    os.replace(beside, file)
    return f"wrote {path}"


@server.tool()
def list_notes(pattern: str = "*", project: str | None = None) -> list[str]:
    """Lists notes."""
    return [path for path in notes(project or "")[1] if fnmatch.fnmatch(path, pattern)]


run()
