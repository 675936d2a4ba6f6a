// my-agent: lists the files at the top of the workspace, with their lines, in INDEX.md.
//
// Task: the title of the list, `Index` if empty.
import * as tools from 'brio:core/session-tools@0.1.0';
import { changeSet } from 'brio:core/session@0.1.0';
import { writeIndex } from './index.js';

export const run = {
  run(context) {
    const index = asked(() => writeIndex(tools, context.description.trim() || 'Index'));
    // What will land, asked of the host.
    const changed = context.sessionId ? asked(() => changeSet(context.sessionId)).length : 0;
    return {
      summary: `listed ${index.files} files; ${changed} paths changed`,
      metrics: [
        { name: 'files', value: index.files },
        { name: 'lines', value: index.lines },
      ],
    };
  },
};

// What the host refuses is thrown with the error of its interface as `payload`; what is thrown
// here must be one of `agent-error`. Anything else is a trap.
function asked(ask) {
  try {
    return ask();
  } catch (error) {
    const refused = error?.payload;
    if (refused === undefined) throw error;
    const { path = refused.val, message = refused.tag } = refused.val ?? {};
    throw { tag: 'io', val: { path: String(path), message } };
  }
}
