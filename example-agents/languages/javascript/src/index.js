// The work itself. It is given the tools that it uses, so that `npm test` runs it natively.

// The file that is written.
export const FILE = 'INDEX.md';

// Lists the files at the top, with their lines, in INDEX.md. What it throws is an `agent-error`.
export function writeIndex({ listDirectory, readFile, writeFile }, title) {
  if (title.includes('\n')) {
    throw { tag: 'invalid-task', val: 'the title of the list must be one line' };
  }
  const files = listDirectory('.').filter(({ name, kind }) => kind === 'file' && name !== FILE);
  if (files.length === 0) throw { tag: 'failed', val: 'there are no files to list' };
  let text = `# ${title}\n\n| file | lines |\n|---|---|\n`;
  let lines = 0;
  for (const { name } of files) {
    const count = countLines(readFile(name));
    text += `| ${name} | ${count} |\n`;
    lines += count;
  }
  writeFile(FILE, new TextEncoder().encode(text));
  return { files: files.length, lines };
}

// Lines, the last one also without an end.
function countLines(content) {
  let lines = 0;
  for (const byte of content) if (byte === 10) lines += 1;
  return content.length > 0 && content.at(-1) !== 10 ? lines + 1 : lines;
}
