/** The output of `holdfast restore --list`: the backups in the repository. No database is needed. */
import { BackupChains, linkName, saidOfBroken, type BrokenLink } from '../../repository/backup-chain.ts';
import { requireCatalog, type StoredBackup } from '../../repository/catalog.ts';
import { entryName } from '../../repository/backup-name.ts';
import type { RepositoryBackup } from '../../repository/repository-backup.ts';
import { storedHolds, type FoundHold } from '../../repository/stored-holds.ts';
import { plain } from '../../plain.ts';
import { chainTree, type TreeRow } from './chain-tree.ts';
import { bytes, time } from './format.ts';
import { asSql, printJson, printLines } from './output.ts';
import { table, type TableColumn } from './table.ts';

interface ListedBackup extends RepositoryBackup {
  /** The keeps and holds that are stored next to the backup. */
  held: FoundHold[];
  /** The copies that a restore reads, from the full copy to the backup, or from the link behind the broken one. */
  chain: string[];
  /** The link that breaks the chain; undefined: the chain is whole. */
  broken: BrokenLink | undefined;
  /** What goes in front of the name in the tree of chains. */
  indent: string;
}

const columns: TableColumn<ListedBackup>[] = [
  { title: 'ID', value: ({ id }) => String(id), align: 'right' },
  { title: 'NAME', value: (backup) => backup.indent + entryName(backup) },
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
  const chains = new BackupChains(listed);
  const backups = await Promise.all(
    inTree(listed.backups).map(async ({ item, indent }) => {
      const { description } = item;
      const { links, broken } = chains.of(item);
      const held = await storedHolds(clusterDirectory, { ...description, name: entryName(description) });
      return { ...description, held, chain: links.map(linkName), broken, indent };
    }),
  );
  if (json) {
    await printJson(
      backups.toSorted(byName).map((backup) => {
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
          parent: backup.incremental?.parent ?? null,
          chain: backup.chain,
          chain_problem: backup.broken === undefined ? null : saidOfBroken(entryName(backup), backup.broken),
          bytes: backup.bytes,
          stored_bytes: backup.storedBytes,
          damaged_pages: backup.damagedPages,
          held: backup.held.map(({ path, hold }) => ({
            kind: hold?.kind ?? null,
            reason: hold?.reason ?? null,
            by: hold?.by ?? null,
            at: hold?.at ?? null,
            for: hold?.for ?? null,
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

/** The backups as a tree: each incremental copy behind its parent. */
function inTree(backups: readonly StoredBackup[]): TreeRow<StoredBackup>[] {
  return chainTree(backups, {
    nameOf: linkName,
    parentOf: ({ description }) => description.incremental?.parent,
  });
}

function byName(a: ListedBackup, b: ListedBackup): number {
  return entryName(a) < entryName(b) ? -1 : 1;
}

function noteOf({ held, broken, damagedPages: { length } }: ListedBackup): string {
  const kinds = new Set(held.map(({ hold }) => (hold?.kind === 'keep' ? 'kept' : 'held')));
  const damage = length === 0 ? [] : [`${length} damaged page${length === 1 ? '' : 's'}`];
  const chain =
    broken === undefined ? [] : [`chain broken at ${broken.name}, which ${plain(broken.problem)}`];
  return [...kinds, ...damage, ...chain].join(', ');
}
