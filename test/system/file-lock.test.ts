// Locks in the repository: who gets one beside whom, and that a lock ends with its owner.
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { withReaderLock, withLock } from '../../src/system/file-lock.ts';
import { startProcess } from '../../dev/harness/children.ts';
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { syncScene } from '../support/sync-scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const holder = fileURLToPath(new URL('../support/lock-holder.ts', import.meta.url));

/** A directory as there is one beside a backup. */
async function metaDirectory(t: ExecutionContext): Promise<string> {
  const meta = join(await temporaryDirectory(t), '20260101T000000Z-1.meta');
  await mkdir(meta);
  await writeFile(join(meta, 'backup.json'), '{}');
  return meta;
}

async function heldElsewhere(t: ExecutionContext, path: string, kind: 'shared' | 'exclusive') {
  const child = await startProcess(t, process.execPath, [holder, path, kind]);
  await child.untilLine(/locked/);
  return child;
}

/** Resolves once somebody waits for the lock of that directory. */
async function untilAwaited(meta: string): Promise<void> {
  const { ino } = await stat(join(meta, 'backup.json'));
  await eventually('somebody waits for the lock', async () =>
    (await readFile('/proc/locks', 'utf8'))
      .split('\n')
      .some((line) => line.includes('-> FLOCK') && line.includes(`:${ino} `)),
  );
}

const alone = { shared: false, wait: 0 };
const together = { shared: true, wait: 0 };
const nothing = async () => 'done';

test('a lock is had alone, or together with others that share it', async (t) => {
  const meta = await metaDirectory(t);
  await withLock(meta, together, async () => {
    t.is(await withLock(meta, together, nothing), 'done');
    await t.throwsAsync(withLock(meta, alone, nothing), { code: 'locked' });
  });
  await withLock(meta, alone, async () => {
    const refused = await t.throwsAsync(withLock(meta, together, nothing), { code: 'locked' });
    t.regex(refused?.message ?? '', /backup\.json" is about to be removed or changed/);
  });
  t.is(await withLock(meta, alone, nothing), 'done');
});

test('it is given back when the work fails', async (t) => {
  const meta = await metaDirectory(t);
  const failing = withLock(meta, alone, () => Promise.reject(new Error('the work')));
  await t.throwsAsync(failing, { message: 'the work' });
  t.is(await withLock(meta, alone, nothing), 'done');
});

for (const [kind, refused, allowed] of [
  ['shared', [alone], [together]],
  ['exclusive', [alone, together], []],
] as const) {
  test(`a lock that is ${kind} ends with its owner, however that ends`, async (t) => {
    const meta = await metaDirectory(t);
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const owner = await heldElsewhere(t, meta, kind);
      for (const options of refused)
        await t.throwsAsync(withLock(meta, options, nothing), { code: 'locked' });
      for (const options of allowed) t.is(await withLock(meta, options, nothing), 'done');
      owner.kill(signal);
      await owner.exited;
      t.is(await withLock(meta, alone, nothing), 'done', signal);
    }
  });
}

test('an owner that is only stopped keeps its lock', async (t) => {
  const meta = await metaDirectory(t);
  const owner = await heldElsewhere(t, meta, 'shared');
  owner.kill('SIGSTOP');
  await t.throwsAsync(withLock(meta, alone, nothing), { code: 'locked' });
  owner.kill('SIGKILL');
  await owner.exited;
  t.is(await withLock(meta, alone, nothing), 'done');
});

test('who waits gets it when the owner is killed, and gives up when the time is over', async (t) => {
  const meta = await metaDirectory(t);
  const owner = await heldElsewhere(t, meta, 'exclusive');
  await t.throwsAsync(withLock(meta, { shared: true, wait: 50 }, nothing), { code: 'locked' });
  const waiting = withLock(meta, { shared: true, wait: 120_000 }, nothing);
  owner.kill('SIGKILL');
  t.is(await waiting, 'done');
});

test('files and directories with nothing in them can be locked, and are left as they were', async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, 'file');
  await writeFile(file, '');
  for (const path of [file, directory]) {
    await withLock(path, alone, async () => {
      await t.throwsAsync(withLock(path, together, nothing), { code: 'locked' });
    });
  }
});

test('what is not there is not made by locking it', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'nothing.meta');
  await t.throwsAsync(withLock(path, alone, nothing), { code: 'lock_gone' });
  await t.throwsAsync(withLock(path, together, nothing), { code: 'lock_gone' });
  await t.throwsAsync(withReaderLock(path, nothing), { code: 'backup_expired' });
});

test('a reader that waited while the backup was removed says so, and reads nothing', async (t) => {
  const meta = await metaDirectory(t);
  let reading: Promise<string> | undefined;
  await withLock(meta, alone, async () => {
    reading = withReaderLock(meta, () => Promise.resolve('read'));
    await untilAwaited(meta);
    await rename(meta, `${meta}.expired`);
  });
  await t.throwsAsync(Promise.resolve(reading), {
    code: 'backup_expired',
    message: /is gone: it has expired/,
  });
});

test('one that was replaced meanwhile is not taken for the old one', async (t) => {
  const meta = await metaDirectory(t);
  let reading: Promise<string> | undefined;
  await withLock(meta, alone, async () => {
    reading = withLock(meta, { shared: true, wait: 60_000 }, nothing);
    await untilAwaited(meta);
    await rename(meta, `${meta}.expired`);
    await mkdir(meta);
    await writeFile(join(meta, 'backup.json'), '{"another": true}');
    await rm(`${meta}.expired`, { recursive: true });
  });
  await t.throwsAsync(Promise.resolve(reading), { code: 'lock_gone' });
});

test('without flock(1) readers go on with a warning, and whoever wants it alone is told what is missing', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  const name = await scene.storeBackup('20260309T010000Z', 1, 1);
  const meta = join(scene.directory, 'backups', `${name}.meta`);
  const without = { env: { ...scene.env, PATH: '/nowhere' } };
  const { stdout, stderr } = await holdfast(['verify', '--all', '--no-record'], without);
  t.true(
    stderr.startsWith(`holdfast: warning: "${meta}/backup.json" cannot be locked: flock(1) cannot be run`),
    stderr,
  );
  t.regex(stdout, /backup_manifest/, 'it has read the backup');
  const refused = await holdfast(['sync'], without);
  t.is(refused.status, 1);
  t.regex(refused.stderr, /cannot be locked: flock\(1\) cannot be run.*\n {2}hint: install util-linux/);
});

test('where the file system refuses locks, readers go on in silence, as nobody can remove anything', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await scene.storeBackup('20260309T010000Z', 1, 1);
  const programs = await temporaryDirectory(t);
  const refusing = '#!/bin/sh\necho "flock: 3: No locks available" >&2\nexit 71\n';
  await writeFile(join(programs, 'flock'), refusing, { mode: 0o755 });
  const without = { env: { ...scene.env, PATH: `${programs}:/bin` } };
  const { stdout, stderr } = await holdfast(['verify', '--all', '--no-record'], without);
  t.is(stderr, '');
  t.regex(stdout, /backup_manifest/, 'it has read the backup');
  const refused = await holdfast(['sync'], without);
  t.regex(
    refused.stderr,
    /cannot be locked: flock: 3: No locks available\n {2}hint: move it to a local file system/,
  );
});

test('an error of the work itself stays what it is', async (t) => {
  const meta = await metaDirectory(t);
  const error = Object.assign(new Error('mine'), { code: 'lock_gone' });
  t.is(await t.throwsAsync(withReaderLock(meta, () => Promise.reject(error))), error);
});
