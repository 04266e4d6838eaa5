// What a worker says of the repository that it was given.
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { completeBackup, startBackup } from '../support/backups.ts';
import { eventually } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { holdfast, startHoldfast } from '../support/process.ts';
import { connect } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a repository that was named and cannot be made is complained of before any copy; sessions are held', async (t) => {
  const db = await installedDatabase(t);
  const place = await temporaryDirectory(t);
  const repository = join(place, 'not', 'mounted');
  await chmod(place, 0o555);
  const as = process.getuid?.() === 0 ? { uid: 12_345, gid: 12_345 } : undefined;
  const labels = await temporaryDirectory(t);
  await chmod(labels, 0o777);
  const env = { HOLDFAST_REPOSITORY: repository, HOLDFAST_LABELS: labels };
  const worker = await startHoldfast(t, ['worker'], { url: db.url, env, ...(as && { as }) });
  const line = await worker.untilLine(/does not write to the repository/);
  t.true(line.includes('is not there and cannot be made: EACCES'), line);
  t.true(line.includes(`holdfast install --repository '${repository}'`), line);
  const problem = await eventually('check complains', async () => {
    const { stdout } = await holdfast(['check'], { url: db.url });
    return /nothing is written to its repository: .*/.exec(stdout)?.[0];
  });
  t.true(problem.includes(`"${repository}" is not there`), problem);

  const client = await connect(t, db.url);
  await completeBackup(client, (await startBackup(client)).id);
});
