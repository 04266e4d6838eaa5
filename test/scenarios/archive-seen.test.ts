// An archive_command that succeeds without archiving: the server believes it, and a worker that sees the archive says so.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { archivedPath } from '../../src/repository/wal-archive.ts';
import { startBackup, type Backup } from '../support/backups.ts';
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { makeRepository } from '../support/repository.ts';
import { pushCommand } from '../support/repository-scene.ts';
import { finish, request } from '../support/requests.ts';
import { sceneOfItsOwn } from '../support/scene.ts';
import { testWhen } from '../support/test-when.ts';
import { noArchivingServer, startArchivingWorker } from '../support/wal.ts';

interface Row extends Backup {
  archive_seen: boolean | null;
  start_wal: string;
  stop_wal: string;
}

testWhen(noArchivingServer)(
  'a backup says whether its WAL was seen in the archive, and check warns where it was looked for and is not there',
  async (t) => {
    const it = await sceneOfItsOwn(t, { settings: { archive_command: '/bin/true' } });
    const { cluster, url } = it.db;
    const repository = await cluster.serverDirectory('repository');
    const touched = await cluster.serverDirectory('touched');
    const completed = async (id: string) => (await it.untilState(id, 'complete', { within: 60_000 })) as Row;
    const hold = async () => {
      const { id } = await startBackup(it.client);
      await finish(it.client, id);
      return completed(id);
    };
    /** Also when it has taken the segment that it is at for another command. */
    const archivesWith = async (command: string, pathOf: (segment: string) => string) => {
      await cluster.configure({ archive_command: command });
      await eventually(`the archiver calls ${command}`, async () => {
        await it.admin.query(`select pg_create_restore_point('here')`);
        const segment = await it.admin.value<string>('select pg_walfile_name(pg_switch_wal())');
        await eventually(`the server calls ${segment} archived`, () =>
          it.admin.value<boolean>(
            'select left(last_archived_wal, 24) collate "C" >= $1 from pg_stat_archiver',
            [segment],
          ),
        );
        return existsSync(pathOf(segment));
      });
    };
    const archivedWords = async ({ id }: Row) => {
      const { stdout } = await holdfast(['status', id], { url });
      return /^ *archived +\S+ \S+ UTC(.*)$/m.exec(stdout)?.[1];
    };
    const found = async () => {
      const { stdout, status } = await holdfast(['check', '--json'], { url });
      const { findings } = JSON.parse(stdout) as { findings: { severity: string; message: string }[] };
      const [unseen] = findings.filter(({ message }) => message.includes('not in the archive'));
      return unseen && { ...unseen, status };
    };

    const worker = await it.startWorker();
    const unknown = await hold();
    t.like(unknown, { archive_seen: null, warnings: [] });
    t.is(await archivedWords(unknown), ', as the server says');
    t.is(await found(), undefined);
    worker.kill();
    await worker.exited;

    await makeRepository(repository);
    // What it archives ahead of the archiver would be seen.
    await startArchivingWorker(t, { cluster, repository }, it.workerLogin.url, { HOLDFAST_PUSH_AHEAD: '0' });
    const wal = join(repository, 'main', 'wal');
    const copied = request(it.client, { method: 'copy', fast: true });
    const pair = [await hold(), await completed(await copied)] as const;
    for (const row of pair) {
      t.deepEqual(row.warnings, [
        `the server says that ${row.start_wal} is archived, but it is not in "${wal}": its archive_command '/bin/true' archives nothing`,
      ]);
      t.is(row.archive_seen, false);
      t.is(await archivedWords(row), ' as the server says, but not in the archive');
      const together = await it.admin.value<boolean>(
        `select r.xmin = e.xmin from holdfast.backup_request r
         join holdfast.backup_event e on e.request_id = r.id and e.to_state = 'complete' where r.id = $1`,
        [row.id],
      );
      t.true(together, 'nobody sees it complete without its warning');
    }
    const warned = await found();
    t.like(warned, { severity: 'warning', status: 1 });
    t.regex(
      warned?.message ?? '',
      new RegExp(`\\((${pair[0].id}|${pair[1].id})\\), 0{7}1[0-9A-F]{16} to 0{7}1`),
    );

    await cluster.configure({ archive_command: `${pushCommand('/nowhere')} || true` });
    const swallowed = await hold();
    t.is(swallowed.archive_seen, false, 'Holdfast archives here, and nothing is in the repository');

    await archivesWith(pushCommand(repository), (segment) => archivedPath(join(repository, 'main'), segment));
    const seen = await hold();
    t.like(seen, { archive_seen: true, warnings: [] });
    t.is(await archivedWords(seen), ', seen in the archive');
    t.is(await found(), undefined);

    await archivesWith(`touch "${touched}/%f"`, (segment) => join(touched, segment));
    const unseen = await hold();
    t.is(unseen.archive_seen, false);
    t.regex(
      unseen.warnings.join(),
      /is archived, but it is not in ".*\/wal": see what its archive_command does; /,
    );
    t.true((await found())?.message.includes(`holdfast status ${unseen.id}`));
    t.is(await it.admin.value('select failed_count from pg_stat_archiver'), '0');
  },
);
