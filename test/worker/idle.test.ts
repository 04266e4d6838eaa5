// What a worker costs that has nothing to do.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { noServerFiles } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { makeRepository } from '../support/repository.ts';
import { sceneOfItsOwn } from '../support/scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(
  noServerFiles ?? (process.platform === 'linux' ? undefined : 'only Linux tells the memory of a process'),
);

/** Bytes. Without what only chores, schedules, copies and drills need; Node alone takes half of it. */
const limit = 84e6;

test('an idle worker takes little memory, and sends less than one query a second', async (t) => {
  const it = await sceneOfItsOwn(t, { settings: { log_statement: 'all' } });
  const repository = await it.db.cluster.serverDirectory('repository');
  await makeRepository(repository);
  const worker = await it.startWorker({ env: { HOLDFAST_REPOSITORY: repository } });
  const log = join(String(it.db.cluster.dataDirectory), '..', 'server.log');
  // an entry of the log has as many lines as its statement
  const statements = () =>
    readFileSync(log, 'utf8')
      .split(/\n(?=\d{4}-\d\d-\d\d )/)
      .filter((entry) => / holdfast [a-z]+ LOG: {2}(?:execute|statement)/.test(entry));
  const began = statements().length;
  const looks = () =>
    statements()
      .slice(began)
      .filter((line) => line.includes('"callerGone"'));
  await eventually('it has looked at the table eighteen times', () => looks().length >= 18, {
    within: 60_000,
  });

  // the first looks are among what a worker does at its start
  const [first = '', ...others] = looks().slice(3);
  const last = others.at(-1) ?? '';
  const time = (line: string) => Date.parse(`${line.slice(0, 23).replace(' ', 'T')}Z`);
  const seconds = (time(last) - time(first)) / 1000;
  const all = statements();
  const sent = all.slice(all.indexOf(first), all.lastIndexOf(last)).length;
  t.true(sent / seconds < 1, `${sent} statements in ${seconds} s`);

  const resident =
    Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${worker.pid}/status`, 'utf8'))?.[1]) * 1024;
  t.true(resident < limit, `${resident} bytes`);
  t.log(`${(resident / 1e6).toFixed(1)} MB, ${(sent / seconds).toFixed(2)} statements a second`);
});
