"""my-agent: lists the files at the top of the workspace, with their lines, in INDEX.md.

Task: the title of the list, `Index` if empty.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import session
from wit_world.imports.brio_core_types import (
    AgentError_Failed,
    AgentError_InvalidTask,
    AgentError_Io,
    IoFailure,
    Metric,
    TaskContext,
    TaskOutput,
)

import index


class Run(exports.Run):
    def run(self, context: TaskContext) -> TaskOutput:
        # What is raised as `Err` is the agent's report; anything else is a trap.
        try:
            listed = index.write(".", context.description.strip() or "Index")
        except index.InvalidTask as error:
            raise Err(AgentError_InvalidTask(str(error)))
        except index.NothingToList as error:
            raise Err(AgentError_Failed(str(error)))
        except OSError as error:
            raise Err(AgentError_Io(IoFailure(str(error.filename), str(error.strerror))))
        # What will land, asked of the host.
        try:
            changed = len(session.change_set(context.session_id)) if context.session_id else 0
        except Err as error:
            raise Err(AgentError_Failed(f"what changed is not known: {error.value}"))
        return TaskOutput(
            summary=f"listed {listed.files} files; {changed} paths changed",
            metrics=[
                Metric("files", float(listed.files)),
                Metric("lines", float(listed.lines)),
            ],
        )
