// A cluster and a control database of versions that write one LSN in two ways: the row of a backup and its backup.json
// are about one backup all the same.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { installedVersion, serverSet } from '../../dev/debian/program-sets.ts';
import { noOwnCluster, noServerFiles, ownCluster } from '../support/cluster.ts';
import { storedCopy } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { holdfast, startWorkerProcess } from '../support/process.ts';
import { makeRepository } from '../support/repository.ts';
import { completeBackup, startBackup, untilState } from '../support/backups.ts';
import { request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const no19 = installedVersion(serverSet(19)) === undefined ? 'PostgreSQL 19 is not here' : undefined;
const test = testWhen(noOwnCluster, noServerFiles, no19).serial;

for (const [control, cluster] of [
  [18, 19],
  [19, 18],
] as const) {
  test(`a control database of ${control} knows the copies of a cluster of ${cluster}`, async (t) => {
    const server = await ownCluster(t, { version: cluster });
    const db = await installedDatabase(t, await ownCluster(t, { version: control, installed: true }));
    const repository = await server.serverDirectory('repository');
    await makeRepository(repository);
    const config = `[cluster.main]\nurl = "${server.url()}"\n`;
    await startWorkerProcess(t, { url: db.url, config, env: { HOLDFAST_REPOSITORY: repository } });
    const client = await connect(t, db.url);
    const held = await startBackup(client);
    await completeBackup(client, held.id);
    const id = await request(client, { method: 'copy', fast: true });
    const row = await untilState(client, id, 'complete', { within: 120_000 });
    const { description, meta } = await storedCopy(repository, row);
    t.not(description.startLsn, row.start_lsn);

    const command = (...args: string[]) =>
      holdfast([...args, '--repository', repository], { url: db.url, env: { HOLDFAST_CLUSTER: 'main' } });
    const verified = await command('verify', id);
    t.is(verified.status, 0, verified.stderr + verified.stdout);
    const recorded = 'select ok from holdfast.backup_verification where request_id = $1';
    t.true(await client.value(recorded, [id]));

    for (const one of [id, held.id])
      await client.query(`insert into holdfast.legal_hold (request_id, reason) values ($1, 'case 7')`, [one]);
    await eventually('both holds lie in the repository', async () => {
      const elsewhere = await readdir(join(repository, 'main', 'elsewhere')).catch(() => []);
      const beside = await readdir(join(meta, 'holds')).catch(() => []);
      return elsewhere.length === 1 && beside.length === 1;
    });
    await client.query(`insert into holdfast.retention_policy (cluster, keep_last) values ('main', 1)`);
    const { stdout } = await command('expire', '--dry-run', '--json');
    const [said] = JSON.parse(stdout) as [{ stays: { id: number; reasons: string[] }[]; problems: string[] }];
    t.deepEqual(said.problems, []);
    t.deepEqual(
      said.stays.map((one) => one.id).sort((a, b) => a - b),
      [Number(held.id), Number(id)],
    );
    for (const { reasons } of said.stays) t.notRegex(reasons.join(), /does not know/);
  });
}
