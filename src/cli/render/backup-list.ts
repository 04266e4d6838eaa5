/** The output of `holdfast restore --list`: the backups in the repository. No database is needed. */
import { requireCatalog } from '../../repository/catalog.ts';
import { entryName } from '../../repository/backup-name.ts';
import type { RepositoryBackup } from '../../repository/repository-backup.ts';
import { storedHolds, type FoundHold } from '../../repository/stored-holds.ts';
import { plain } from '../../plain.ts';
import { bytes, time } from './format.ts';
import { asSql, printJson, printLines } from './output.ts';
import { table, type TableColumn } from './table.ts';

interface ListedBackup extends RepositoryBackup {
  /** The keeps and holds that are stored next to the backup. */
  held: FoundHold[];
}

const columns: TableColumn<ListedBackup>[] = [
  { title: 'ID', value: ({ id }) => String(id), align: 'right' },
  { title: 'NAME', value: (backup) => entryName(backup) },
  { title: 'LABEL', value: ({ label }) => plain(label), flexible: true },
  { title: 'ENDED', value: ({ stoppedAt }) => time(new Date(stoppedAt)) },
  { title: 'TIMELINE', value: ({ timeline }) => String(timeline), align: 'right' },
  { title: 'UP TO', value: ({ stopLsn }) => stopLsn },
  { title: 'VERSION', value: ({ serverVersion }) => serverVersion },
  { title: 'SIZE', value: (backup) => bytes(backup.bytes), align: 'right' },
  { title: 'STORED', value: ({ storedBytes }) => bytes(storedBytes), align: 'right' },
  { title: 'NOTE', value: noteOf },
];

/** Prints the backups of a cluster. Backups that cannot be listed are warnings on standard error. */
export async function printBackupList(clusterDirectory: string, json: boolean): Promise<void> {
  const listed = await requireCatalog(clusterDirectory);
  for (const { problem } of listed.damaged) process.stderr.write(`holdfast: warning: ${plain(problem)}\n`);
  const backups = await Promise.all(
    listed.backups.map(async ({ description }) => ({
      ...description,
      held: await storedHolds(clusterDirectory, { ...description, name: entryName(description) }),
    })),
  );
  if (json) {
    await printJson(
      backups.map((backup) => {
        const { id, cluster, label, serverVersion, timeline, startedAt, stoppedAt, startLsn, stopLsn } =
          backup;
        const shown = {
          id,
          cluster,
          label,
          serverVersion,
          timeline,
          startedAt,
          stoppedAt,
          startLsn,
          stopLsn,
        };
        return {
          backup: entryName(backup),
          ...asSql(shown),
          bytes: backup.bytes,
          stored_bytes: backup.storedBytes,
          damaged_pages: backup.damagedPages,
          held: backup.held.map(({ path, hold }) => ({
            kind: hold?.kind ?? null,
            reason: hold?.reason ?? null,
            by: hold?.by ?? null,
            at: hold?.at ?? null,
            path,
          })),
        };
      }),
    );
    return;
  }
  const width = process.stdout.isTTY ? process.stdout.columns : Infinity;
  await printLines(
    backups.length === 0 ? [`no backups in ${plain(clusterDirectory)}`] : table(columns, backups, width),
  );
}

function noteOf({ held, damagedPages: { length } }: ListedBackup): string {
  const kinds = new Set(held.map(({ hold }) => (hold?.kind === 'keep' ? 'kept' : 'held')));
  const damage = length === 0 ? [] : [`${length} damaged page${length === 1 ? '' : 's'}`];
  return [...kinds, ...damage].join(', ');
}
