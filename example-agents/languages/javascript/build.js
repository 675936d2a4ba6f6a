// Makes build/my-agent.wasm: src/agent.js with an engine around it, for the world `agent`.
import { mkdir, writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const { component } = await componentize({
  sourcePath: 'src/agent.js',
  witPath: 'brio/wit',
  // `reviewer` for an agent that judges, `session-agent` for one with sessions of its own,
  // `project-agent` for one with the project's record and notes.
  worldName: 'agent',
  // They would import `wasi:http`.
  disableFeatures: ['http', 'fetch-event'],
});
await mkdir('build', { recursive: true });
await writeFile('build/my-agent.wasm', component);
console.log(`build/my-agent.wasm: ${component.length} bytes`);
