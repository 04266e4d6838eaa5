// The leases of restored servers: until when they count.
import { cp, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { leaseName, readLeases, writeLease } from '../../src/repository/lease.ts';
import type { Lease } from '../../src/repository/lease-file.ts';
import { renewLease } from '../../src/repository/renew-lease.ts';
import { lookAtLeases } from '../../src/retention/leases.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const day = 86_400_000;
const backup = '20261121T120000Z-7';

/** It looks so, too, where the file system does not say when a directory was made. */
async function isUnchanged(directory: string): Promise<boolean> {
  const { birthtimeMs, ctimeMs } = await stat(directory);
  return birthtimeMs === ctimeMs;
}

async function leased(t: ExecutionContext) {
  const repository = await temporaryDirectory(t);
  const directory = join(await temporaryDirectory(t), 'data');
  const leave = async () => {
    const name = leaseName(directory, backup);
    await writeLease(
      repository,
      { name, path: directory },
      {
        directory,
        backup,
        id: 7,
        systemIdentifier: '7000000000000000001',
        timeline: 1,
        startLsn: '0/5000028',
        targetTimeline: 'latest',
      },
    );
    return { name, file: join(repository, 'leases', `${name}.json`) };
  };
  const fill = async () => {
    for (const file of ['PG_VERSION', 'recovery.signal']) await writeFile(join(directory, file), '');
  };
  const restoreAnew = async () => {
    await mkdir(directory);
    // A restore takes longer than the file system's clock takes to go on.
    for (let n = 0; n < 1000 && (await isUnchanged(directory)); n += 1) {
      await fill();
      await rm(join(directory, 'PG_VERSION'));
    }
    await fill();
    return leave();
  };
  const look = async (trusted = true) => {
    const { valid, over, unknown } = await lookAtLeases(repository, new Date(), () =>
      Promise.resolve(trusted),
    );
    return { valid: valid.map(({ reason }) => reason), over, unknown };
  };
  const renew = (name: string, server = directory) => renewLease(repository, name, server);
  return { repository, directory, fill, leave, restoreAnew, renew, look };
}

test('a lease counts until recovery is over, or for a week after its last renewal', async (t) => {
  const { directory, restoreAnew, renew, look } = await leased(t);
  t.deepEqual(await look(), { valid: [], over: [], unknown: undefined });
  const { name, file } = await restoreAnew();
  const old = new Date(Date.now() - 6 * day);
  await utimes(file, old, old);
  const [reason = ''] = (await look()).valid;
  t.regex(
    reason,
    new RegExp(`^it is being recovered in "${directory}" on host \\S+, says .*, renewed 6 d ago$`),
  );

  const older = new Date(Date.now() - 8 * day);
  await utimes(file, older, older);
  t.deepEqual((await look()).over, [file]);
  t.deepEqual((await look(false)).over, [], 'a clock that may be ahead does not say how old it is');
  await renew(name);
  t.regex((await look()).valid[0] ?? '', /renewed 0 min ago$/);

  await rm(join(directory, 'recovery.signal'));
  t.deepEqual((await look()).over, [file]);
});

test('a clone of the host, which has recovered, ends no lease; its age does', async (t) => {
  const { directory, restoreAnew, look } = await leased(t);
  const { file } = await restoreAnew();
  await rm(join(directory, 'recovery.signal'));
  t.deepEqual((await look()).over, [file]);
  const lease = JSON.parse(await readFile(file, 'utf8')) as Lease;
  await writeFile(file, JSON.stringify({ ...lease, boot: 'another' }));
  t.is((await look()).valid.length, 1);
  const old = new Date(Date.now() - 8 * day);
  await utimes(file, old, old);
  t.deepEqual((await look()).over, [file]);
});

test('a copy of a restored directory, or one that was moved, has a lease of its own, which ends with its own recovery', async (t) => {
  const { repository, directory, restoreAnew, renew, look } = await leased(t);
  const { name, file } = await restoreAnew();
  const copy = `${directory}.copy`;
  await cp(directory, copy, { recursive: true });
  const files = async () => (await readLeases(repository)).map(({ path }) => path);
  await renew(name);
  t.deepEqual(await files(), [file]);
  for (let n = 0; n < 2; n += 1) await renew(name, copy);
  const [own = ''] = (await files()).filter((path) => path !== file);
  t.is((await files()).length, 2);

  await rm(join(directory, 'recovery.signal'));
  t.deepEqual((await look()).over, [file]);
  t.regex(String((await look()).valid), new RegExp(`^it is being recovered in "${copy}"`));
  await rm(file);
  const old = new Date(Date.now() - 6 * day);
  await utimes(own, old, old);
  await renew(name, copy);
  t.regex(String((await look()).valid), /renewed 0 min ago$/, 'also when the first is gone');
  await rm(join(copy, 'recovery.signal'));
  t.deepEqual((await look()).over, [own]);

  await rename(directory, `${directory}.moved`);
  const third = await restoreAnew();
  await rename(directory, `${directory}.elsewhere`);
  await renew(third.name, `${directory}.elsewhere`);
  t.regex(String((await look()).valid), new RegExp(`recovered in "${directory}\\.elsewhere"`));
});

test('a server whose host has booted since has a lease of its own, as a clone of the host has', async (t) => {
  const { repository, directory, restoreAnew, renew, look } = await leased(t);
  const { name, file } = await restoreAnew();
  const lease = JSON.parse(await readFile(file, 'utf8')) as Lease;
  await writeFile(file, JSON.stringify({ ...lease, boot: 'before' }));
  await renew(name);
  t.is((await readLeases(repository)).length, 2);
  await rm(join(directory, 'recovery.signal'));
  const { valid, over } = await look();
  t.deepEqual([valid.length, over.length], [1, 1]);
  t.false(over.includes(file), 'the one of before may be of the host that this is a clone of');
});

test('a directory that is gone, is another one, or waits as a standby, ends no lease', async (t) => {
  const { directory, restoreAnew, look } = await leased(t);
  await restoreAnew();
  await rm(join(directory, 'recovery.signal'));
  await writeFile(join(directory, 'standby.signal'), '');
  t.is((await look()).valid.length, 1);
  await rm(directory, { recursive: true });
  t.is((await look()).valid.length, 1);
  await mkdir(directory);
  await writeFile(join(directory, 'wait'), '');
  await writeFile(join(directory, 'PG_VERSION'), '');
  t.is((await look()).valid.length, 1, 'another one, such as the mount point below');
});

test('a restore ends the lease of an earlier one into the very same directory, and of no other', async (t) => {
  const { repository, directory, restoreAnew, fill, leave, look } = await leased(t);
  const files = async () => (await readLeases(repository)).map(({ path }) => path).sort();
  const first = await restoreAnew();
  await rename(directory, `${directory}.moved`); // its server replays there
  const second = await restoreAnew();
  t.deepEqual(await files(), [first.file, second.file].sort(), 'the first was moved away');
  t.is((await look()).valid.length, 2);

  // As the mount point of another disk: roots have the same inode, and PG_VERSION may have.
  await rm(join(directory, 'recovery.signal'));
  const { place, ...rest } = JSON.parse(await readFile(second.file, 'utf8')) as Lease;
  t.deepEqual((await look()).over, [second.file]);
  await writeFile(second.file, JSON.stringify({ ...rest, place: { ...place, born: 1 } }));
  t.is((await look()).valid.length, 2);

  await writeFile(second.file, JSON.stringify({ ...rest, place }));
  await rm(join(directory, 'PG_VERSION'));
  await fill();
  const third = await leave();
  const says = place.born !== undefined; // when a directory was made
  t.deepEqual(await files(), [first.file, ...(says ? [] : [second.file]), third.file].sort());
});

test('a host whose clock is behind renews a lease by the time of the file system, and never backwards', async (t) => {
  const { repository, directory, restoreAnew, look } = await leased(t);
  const { name, file } = await restoreAnew();
  const renewal = new URL('../../src/repository/renew-lease.ts', import.meta.url).href;
  const clock = fileURLToPath(new URL('../support/shifted-clock.ts', import.meta.url));
  const script = `const { renewLease } = await import('${renewal}'); await renewLease(...process.argv.slice(1))`;
  const args = ['--import', clock, '--input-type=module', '-e', script, repository, name, directory];
  const renew = async () => {
    const env = { ...process.env, CLOCK_SHIFT: String(-10 * day) };
    const { status, stderr } = await runProcess(process.execPath, args, { env });
    t.is(status, 0, stderr);
  };
  const old = new Date(Date.now() - 6 * day);
  await utimes(file, old, old);
  await renew();
  t.regex((await look()).valid[0] ?? '', /renewed 0 min ago$/);

  const ahead = new Date(Math.floor(Date.now() / 1000 + 86_400) * 1000);
  await utimes(file, ahead, ahead); // so a file system whose clock is behind sees it
  await renew();
  t.is((await stat(file)).mtimeMs, ahead.getTime());
  t.deepEqual(await readdir(join(repository, 'leases')), [`${name}.json`]);
});

test('a lease on a file system whose clock is behind is as old as that clock says', async (t) => {
  const { repository, restoreAnew, look } = await leased(t);
  const { file } = await restoreAnew();
  const [present, old] = [new Date(Date.now() - 8 * day), new Date(Date.now() - 16 * day)];
  await writeFile(join(repository, 'owner.json'), '{}');
  await utimes(join(repository, 'owner.json'), present, present);
  await utimes(file, present, present);
  t.is((await look()).valid.length, 1);
  await utimes(file, old, old);
  t.deepEqual((await look()).over, [file]);
});

test('a lease that makes no sense holds all WAL, and renewing what is no lease does nothing', async (t) => {
  const { repository, restoreAnew, renew, look } = await leased(t);
  const { file } = await restoreAnew();
  for (const text of ['', '{}', '[]', 'null', '{"version": 2}']) {
    await writeFile(file, text);
    t.regex((await look()).unknown ?? '', /is the lease of a restored server, and is damaged/);
  }
  for (const name of ['', '../clock', `${'0'.repeat(16)}-${backup}`]) await renew(name);
  t.is((await readLeases(repository)).length, 1);
});
