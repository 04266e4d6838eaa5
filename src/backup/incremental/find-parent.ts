/** Looks for the copy whose changes an incremental copy can hold. */
import type { Connection } from '../../database/connection.ts';
import { quoteIdentifier } from '../../database/sql-script.ts';
import { copyRecords } from '../../control/copy-rows.ts';
import { HoldfastError } from '../../errors.ts';
import { parseLsn } from '../../postgres/lsn.ts';
import { BackupChains, linkName } from '../../repository/backup-chain.ts';
import { readCatalog, type StoredBackup } from '../../repository/catalog.ts';
import type { RepositoryBackup } from '../../repository/repository-backup.ts';
import { readMarks } from '../../server/history-marks.ts';
import { firstWithSummaries, summaryFacts, type SummaryFacts } from '../../server/wal-summaries.ts';
import { holdLock, withReaderLock } from '../../system/file-lock.ts';
import type { CopySource } from '../copy/copy-source.ts';
import type { RequestRun } from '../request-run.ts';
import { chooseParent } from './choose-parent.ts';

/** A parent that is locked, so that no expiry removes it, nor what it was made from. */
export interface FoundParent {
  backup: StoredBackup;
  /** Releases the lock. */
  release: () => Promise<void>;
}

/** Returns the parent; a string: why a full copy has to be made. Adds warnings about newer copies that are damaged. */
export async function findParent(
  run: RequestRun,
  db: Connection,
  source: Pick<CopySource, 'clusterDirectory' | 'dataDirectory' | 'control' | 'controlOrigin'>,
): Promise<FoundParent | string> {
  if (db.serverVersion < firstWithSummaries)
    return `PostgreSQL ${Math.floor(db.serverVersion / 10_000)} makes no WAL summaries, which 17 and newer do`;
  const facts = await summaryFacts(db);
  const obstacle = whyNoSummaries(facts);
  if (obstacle !== undefined) return obstacle;
  const catalog = await readCatalog(source.clusterDirectory);
  const known = await run.context.control.run((control) =>
    copyRecords(
      control,
      run.context.server.name,
      catalog.backups.map(({ description }) => description.id),
    ),
  );
  const chains = new BackupChains(catalog);
  const candidates = catalog.backups.map((backup) => ({
    backup,
    chain: chains.of(backup),
    known: known.find((copy) => isSame(copy, backup.description)),
  }));
  const { controlOrigin, control } = source;
  const marks = await readMarks(source.dataDirectory);
  const now = { ...control, serverVersion: facts.serverVersion, controlOrigin, marks };
  const choice = chooseParent(candidates, catalog.damaged, now, run.context.maxChain);
  const { parent, passedOver } = choice;
  if (parent === undefined) return [choice.reason, ...passedOver.slice(0, mostNamed)].join('; ');
  if (passedOver.length > 0)
    run.warn(`the newest copy is not the parent: ${passedOver.slice(0, mostNamed).join('; ')}`);
  return holdParent(parent.backup);
}

/** Copies that are named in one warning. */
const mostNamed = 5;

function whyNoSummaries({ summarizes, user, database, notAllowed }: SummaryFacts): string | undefined {
  if (!summarizes)
    return 'summarize_wal is off: set it to on, and reload the configuration of the server (ALTER SYSTEM SET summarize_wal = on; SELECT pg_reload_conf())';
  if (notAllowed.length === 0) return undefined;
  const functions = notAllowed.join(', ');
  return `role "${user}" may not execute ${functions} in database "${database}": as a superuser in that database, GRANT EXECUTE ON FUNCTION ${functions} TO ${quoteIdentifier(user)}`;
}

function isSame(
  known: { id: number; startLsn: string; systemIdentifier: string; timeline: number },
  { id, startLsn, systemIdentifier, timeline }: RepositoryBackup,
): boolean {
  return (
    known.id === id &&
    parseLsn(known.startLsn) === parseLsn(startLsn) &&
    known.systemIdentifier === systemIdentifier &&
    known.timeline === timeline
  );
}

async function holdParent(backup: StoredBackup): Promise<FoundParent | string> {
  try {
    return { backup, release: await holdLock((work) => withReaderLock(backup.meta, work)) };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return `backup ${linkName(backup)} cannot be used: ${error.message}`;
  }
}
