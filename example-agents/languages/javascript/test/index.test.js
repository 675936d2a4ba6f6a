import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FILE, writeIndex } from '../src/index.js';

// The session tools over a map.
function toolsOver(files) {
  return {
    listDirectory: () =>
      [{ name: 'below', kind: 'directory', size: 0n }].concat(
        [...files.keys()].sort().map((name) => ({ name, kind: 'file', size: 0n })),
      ),
    readFile: (name) => files.get(name),
    writeFile: (name, content) => void files.set(name, content),
  };
}

test('files are listed with their lines', () => {
  const files = new Map();
  const tools = toolsOver(files);
  assert.throws(() => writeIndex(tools, 'Mine'), { tag: 'failed' });
  files.set('b.txt', new TextEncoder().encode('one\ntwo'));
  files.set('a.txt', new Uint8Array());
  for (let i = 0; i < 2; i += 1) {
    assert.deepEqual(writeIndex(tools, 'Mine'), { files: 2, lines: 2 });
  }
  const text = new TextDecoder().decode(files.get(FILE));
  assert.equal(text, '# Mine\n\n| file | lines |\n|---|---|\n| a.txt | 0 |\n| b.txt | 2 |\n');
  assert.throws(() => writeIndex(tools, 'two\nlines'), { tag: 'invalid-task' });
});
