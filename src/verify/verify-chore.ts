/** Verifies backups on request: the named backup, the newest backup, or all backups with the option `all`. */
import { basename } from 'node:path';
import type { Chore, ChoreContext } from '../chores/chore.ts';
import { recordedOfChore } from '../chores/recorded-of-chore.ts';
import { recordVerification } from '../control/verification-records.ts';
import { HoldfastError } from '../errors.ts';
import { findInRepository } from '../recovery/resolve-backup.ts';
import { readCatalog, type Catalog, type StoredBackup } from '../repository/catalog.ts';
import { requireRecorded } from '../repository/recorded-backup.ts';
import { verifyBackup } from './verify-backup.ts';

interface Verified {
  backup: string;
  ok: boolean;
  problems: string[];
  files: number;
  bytes: number;
  segments: number;
}

/** Number of problems of a backup in the result of the request; backup_verification has all problems. */
const problemsShown = 10;

/**
 * Verifies the requested backups, and returns the results.
 * @throws HoldfastError `backup_damaged`, `no_such_backup`
 */
export async function runVerifyChore(chore: Chore, context: ChoreContext): Promise<Record<string, unknown>> {
  const { backups, damaged } = await chosen(chore, context.clusterDirectory);
  const verified: Verified[] = damaged.map(({ name, problem }) => ({
    backup: name,
    ok: false,
    problems: [problem],
    files: 0,
    bytes: 0,
    segments: 0,
  }));
  for (const backup of backups) {
    context.signal.throwIfAborted();
    verified.push(await verifyOne(backup, chore.cluster, context));
    context.setResult({ backups: verified });
  }
  const broken = verified.filter(({ ok }) => !ok);
  const [first] = broken;
  if (first === undefined) return { backups: verified };
  context.setResult({ backups: verified });
  throw new HoldfastError(
    'failed',
    `${broken.map(({ backup }) => backup).join(', ')}: ${first.problems[0]}`,
    {
      code: 'backup_damaged',
      hint: 'take a new backup, and look at the repository\'s disk; "holdfast verify" lists every problem',
    },
  );
}

async function chosen(chore: Chore, clusterDirectory: string): Promise<Pick<Catalog, 'backups' | 'damaged'>> {
  const { backup, options } = chore;
  const recorded = recordedOfChore(chore);
  if (recorded !== undefined)
    return { backups: [await requireRecorded(clusterDirectory, recorded, backup)], damaged: [] };
  if (backup !== null) return { backups: [await findInRepository(clusterDirectory, backup)], damaged: [] };
  const { backups, damaged } = await readCatalog(clusterDirectory);
  if (options['all'] === true) return { backups, damaged };
  const newest = backups.at(-1);
  if (newest !== undefined) {
    const name = basename(newest.directory);
    return { backups: [newest], damaged: damaged.filter((other) => other.name > name) };
  }
  if (damaged.length > 0) return { backups: [], damaged };
  throw new HoldfastError('failed', `"${clusterDirectory}" has no backup to verify`, {
    code: 'no_such_backup',
    hint: 'name a backup with method copy: only those are in the repository',
  });
}

async function verifyOne(
  backup: StoredBackup,
  cluster: string,
  { control, clusterDirectory, config, signal }: ChoreContext,
): Promise<Verified> {
  const name = basename(backup.directory);
  const found = await verifyBackup({
    backup,
    clusterDirectory,
    jobs: config.worker.jobs,
    onProgress: () => signal.throwIfAborted(),
  });
  // The cluster is the one that was asked for, whatever the description says.
  const { id, systemIdentifier, startLsn, timeline } = backup.description;
  const record = { ...found, id, cluster, systemIdentifier, startLsn, timeline, backup: name };
  await control.run((db) => recordVerification(db, record));
  const { problems, files, bytes, segments } = found;
  return {
    backup: name,
    ok: problems.length === 0,
    problems: problems.slice(0, problemsShown),
    files,
    bytes,
    segments,
  };
}
