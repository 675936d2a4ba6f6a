#!/usr/bin/env python3
"""Prints THIRD-PARTY.md: what of others is linked into the prebuilt agents, and under which licence."""
import json
import os
import subprocess

here = os.path.dirname(os.path.abspath(__file__))


def crates():
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--filter-platform=wasm32-wasip2"]
    metadata = json.loads(subprocess.check_output(command, cwd=here))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    pending, seen = list(metadata["workspace_members"]), set()
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        for dependency in nodes[current]["deps"]:
            # Macros and build scripts run on the builder and leave nothing of their own.
            kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
            target = packages[dependency["pkg"]]["targets"]
            is_macro = any("proc-macro" in kind for t in target for kind in t["kind"])
            if None in kinds and not is_macro:
                pending.append(dependency["pkg"])
    return sorted(
        (p["name"], p["version"], p["license"], p.get("repository") or "")
        for p in (packages[i] for i in seen)
        if p["source"]
    )


print("""# What the prebuilt agents contain of others

The components in this directory are built from the sources beside it, which are MIT OR Apache-2.0.
Linked into them are:

| what | version | licence | from |
|---|---|---|---|""")
for name, version, licence, repository in crates():
    print(f"| {name} | {version} | {licence} | {repository} |")
rust = subprocess.check_output(["rustc", "--version"], text=True).split()[1]
print(f"| the Rust standard library | {rust} | MIT OR Apache-2.0 | https://github.com/rust-lang/rust |")
print("""| wasi-libc, as part of it | with Rust | Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT; parts are musl's, MIT | https://github.com/WebAssembly/wasi-libc |
| dlmalloc and compiler-builtins, as part of it | with Rust | MIT OR Apache-2.0 | https://github.com/rust-lang/rust |

The interfaces of WASI in `wit/deps` are Apache-2.0 WITH LLVM-exception,
https://github.com/WebAssembly/WASI.""")
