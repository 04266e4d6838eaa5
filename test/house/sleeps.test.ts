// Tests wait for what they need to have happened, by `eventually`, and never for time to pass.
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Where time passes all the same: how often, and why. */
const allowed: Record<string, [places: number, why: string]> = {
  'dev/demo/accident.ts': [1, 'the end of a second on the clock is what the restore goes to'],
  'dev/embedded/watchdog.sh': [1, 'it asks again whether the server has ended'],
  'dev/harness/eventually.ts': [1, 'it asks again'],
  'test/backup/copy/frame-builder.test.ts': [
    1,
    'a file changes between two readings, which are some time apart',
  ],
  'test/support/busy-thread.ts': [1, 'a thread with nothing to do for a while is what it plays'],
  'test/support/drills.ts': [1, 'a query that lasts until it is let go asks again'],
  'test/support/load.ts': [1, 'a load has its pauses; nobody waits for them'],
  'test/support/moments.ts': [2, 'the moment of a kill is any, and a second signal within 100 ms is an echo'],
  'test/support/played-worker.ts': [1, 'a worker that is played looks again'],
};

const passing = /\b(?:pg_sleep|setTimeout|sleep)\(|\bsleep [\d.]/g;
/** Nobody waits for the end of these: what lasts for a minute or longer is ended by something else. */
const endless = /pg_sleep\((?:[6-9]\d|\d{3,})\)|\bsleep \d{3,}\b|setTimeout\(\w+, (?:[6-9]\d|\d{3})_000\)/g;
/** A shell's way to ask again. */
const asking = /\bwhile .*; do sleep [\d.]+; done/g;

/** The lines in which time passes. */
function sleepsIn(text: string): string[] {
  return text
    .replace(/^import .*$/gm, '')
    .split('\n')
    .map((line) => line.replace(/(?:^|\s)(?:\/\/|#|\*|--) .*/, ''))
    .filter((line) => line.replaceAll(endless, '').replaceAll(asking, '').match(passing));
}

const own = fileURLToPath(import.meta.url);
const files = globSync('{dev,test}/**/*.{ts,js,mjs,sh,sql,py,pl}', { cwd: root }).filter(
  (file) => root + file !== own,
);

test('nothing in test/ and dev/ waits for time to pass, but for what is listed here', (t) => {
  t.true(files.length > 400);
  const found = files.flatMap((file) => {
    const places = sleepsIn(readFileSync(root + file, 'utf8')).length;
    return places === 0 ? [] : [[file, places] as const];
  });
  t.deepEqual(
    Object.fromEntries(found),
    Object.fromEntries(Object.entries(allowed).map(([file, [places]]) => [file, places])),
  );
});

for (const [line, sleeps] of [
  ['  await sleep(1500); // by then it waits', true],
  ['  await new Promise((resolve) => setTimeout(resolve, 200));', true],
  ["  await admin.query('select pg_sleep(2)');", true],
  ["  await admin.query('select pg_sleep(0.5)');", true],
  ["  await admin.query('select pg_sleep(10)');", true],
  ['  await new Promise((resolve) => setTimeout(resolve, 2_000));', true],
  ['sleep 0.5', true],
  ["import { setTimeout as sleep } from 'node:timers/promises';", false],
  ['  // no sleep(5) here', false],
  ["  const script = 'while [ ! -e go ]; do sleep 0.05; done';", false],
  ["  const holder = ['sh', '-c', 'exec sleep 600'];", false],
  ['  await new Promise((resolve) => setTimeout(resolve, 600_000));', false],
  ["  const hanging = db.query('select pg_sleep(1000)');", false],
] as const) {
  test(`"${line.trim()}" is ${sleeps ? 'a wait for time to pass' : 'none'}`, (t) => {
    t.is(sleepsIn(line).length > 0, sleeps);
  });
}
