// Calls every function of `brio:core`, and prints whether each answered as its WIT says.
import * as tools from 'brio:core/session-tools@0.1.0';
import * as session from 'brio:core/session@0.1.0';
import * as journal from 'brio:core/session-journal@0.1.0';
import * as fs from 'brio:core/session-fs@0.1.0';
import * as checkpoints from 'brio:core/checkpoints@0.1.0';

const bytes = (text) => new TextEncoder().encode(text);
const text = (content) => new TextDecoder().decode(content);

export const run = {
  run({ sessionId: id, taskId }) {
    let failed = 0;
    const check = (name, ask, holds = () => true) => {
      let value;
      let good = false;
      try {
        value = ask();
        good = holds(value);
      } catch (error) {
        value = error.payload ?? error;
      }
      if (!good) failed += 1;
      const seen = good ? '' : `: ${JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`;
      console.log(`${good ? 'OK' : 'FAIL'} ${name}${seen}`);
      return value;
    };
    check('write-file', () => tools.writeFile('t/a.txt', bytes('one\ntwo\n')));
    check('read-file', () => tools.readFile('t/a.txt'), (v) => text(v) === 'one\ntwo\n');
    check('read-file-range', () => tools.readFileRange('t/a.txt', 2, 2), (v) => v === 'two\n');
    check('edit', () => tools.edit('t/a.txt', 'two', '2', false), (v) => v === 1);
    check('list-directory', () => tools.listDirectory('t'),
      ([e]) => e.name === 'a.txt' && e.kind === 'file' && e.size === 6n);
    check('status', () => session.status(id), (v) => v.state === 'open' && v.openChildren.length === 0);
    check('change-set', () => session.changeSet(id),
      (v) => v.some((c) => c.path === 't/a.txt' && c.kind === 'added' && c.changedType === 'file'));
    check('metadata', () => session.metadata(id), (v) => v.sessionId === id && v.taskId === taskId);
    check('say', () => journal.say(id, 'from JavaScript'));
    check('decide', () => journal.decide(id, { title: 'one', why: 'two', alternatives: ['three', ''] }));
    const child = check('begin-session', () => fs.beginSession('/workspace'), (v) => v.startsWith('sess-'));
    const path = check('get-session-path', () => fs.getSessionPath(child), (v) => v === `/sessions/${child}`);
    tools.writeFile(`${path}/landed.txt`, bytes('landed'));
    check('checkpoint', () => checkpoints.checkpoint(child, 'one'), (v) => v.name === 'one' && v.createdAt > 0n);
    tools.writeFile(`${path}/landed.txt`, bytes('later'));
    check('restore', () => checkpoints.restore(child, 'one'), (v) => v.name === 'one');
    check('checkpoints', () => checkpoints.checkpoints(child), (v) => v.some((c) => c.name === 'one'));
    check('commit-session', () => fs.commitSession(child), () => text(tools.readFile('landed.txt')) === 'landed');
    const other = fs.beginSession('/workspace');
    check('rollback-session', () => fs.rollbackSession(other), () => session.status(other).state === 'rolled-back');
    check('remove', () => tools.remove('t/a.txt'), () => tools.listDirectory('t').length === 0);
    try {
      tools.readFile('no/such/file');
      failed += 1;
    } catch (error) {
      if (error.payload.tag !== 'not-found') failed += 1;
    }
    if (failed > 0) throw { tag: 'check-failed', val: `${failed} checks did not hold` };
    return { summary: 'every function answered', metrics: [] };
  },
};
