// The leases of restored servers: until when they count.
import { mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { leaseName, readLeases, writeLease } from '../../src/repository/lease.ts';
import { renewLease } from '../../src/repository/renew-lease.ts';
import { lookAtLeases } from '../../src/retention/leases.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const day = 86_400_000;
const backup = '20261121T120000Z-7';

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
  const restoreAnew = async () => {
    await mkdir(directory);
    for (const file of ['PG_VERSION', 'recovery.signal']) await writeFile(join(directory, file), '');
    return leave();
  };
  const look = async (trusted = true) => {
    const { valid, over, unknown } = await lookAtLeases(repository, new Date(), () =>
      Promise.resolve(trusted),
    );
    return { valid: valid.map(({ reason }) => reason), over, unknown };
  };
  return { repository, directory, restoreAnew, look };
}

test('a lease counts until recovery is over, or for a week after its last renewal', async (t) => {
  const { repository, directory, restoreAnew, look } = await leased(t);
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
  await renewLease(repository, name);
  t.regex((await look()).valid[0] ?? '', /renewed 0 min ago$/);

  await rm(join(directory, 'recovery.signal'));
  t.deepEqual((await look()).over, [file]);
});

test('a directory that is gone, is another one, or waits as a standby, ends no lease', async (t) => {
  const { directory, restoreAnew, look } = await leased(t);
  const first = await restoreAnew();
  await rm(join(directory, 'recovery.signal'));
  await writeFile(join(directory, 'standby.signal'), '');
  t.is((await look()).valid.length, 1);
  await rm(directory, { recursive: true });
  t.is((await look()).valid.length, 1);
  await mkdir(directory);
  await writeFile(join(directory, 'wait'), '');
  await writeFile(join(directory, 'PG_VERSION'), '');
  t.is((await look()).valid.length, 1, 'another one, such as the mount point below');

  await rm(directory, { recursive: true });
  const second = await restoreAnew();
  t.not(first.file, second.file);
  const [only, ...others] = await readLeases(join(second.file, '../..'));
  t.is(only?.path, second.file, 'it has taken the place of the first');
  t.is(others.length, 0);
});

test('a lease that makes no sense holds all WAL, and renewing what is no lease does nothing', async (t) => {
  const { repository, restoreAnew, look } = await leased(t);
  const { file } = await restoreAnew();
  for (const text of ['', '{}', '[]', 'null', '{"version": 2}']) {
    await writeFile(file, text);
    t.regex((await look()).unknown ?? '', /is the lease of a restored server, and makes no sense/);
  }
  for (const name of ['', '../clock', `${'0'.repeat(16)}-${backup}`]) await renewLease(repository, name);
  t.is((await readLeases(repository)).length, 1);
});
