/** Looks for the copy whose changes an incremental copy can hold. */
import type { Connection } from '../../database/connection.ts';
import { quoteIdentifier } from '../../database/sql-script.ts';
import { copyRecords } from '../../control/copy-rows.ts';
import { HoldfastError } from '../../errors.ts';
import { parseLsn } from '../../postgres/lsn.ts';
import { BackupChains, linkName } from '../../repository/backup-chain.ts';
import { readCatalog, type StoredBackup } from '../../repository/catalog.ts';
import type { RepositoryBackup } from '../../repository/repository-backup.ts';
import { firstWithSummaries, summaryFacts, type SummaryFacts } from '../../server/wal-summaries.ts';
import { holdLock, withReaderLock } from '../../system/file-lock.ts';
import type { CopySource } from '../copy/copy-source.ts';
import type { RequestRun } from '../request-run.ts';
import { chooseParent } from './choose-parent.ts';

/** A parent whose chain is locked, so that no expiry removes a link of it. */
export interface FoundParent {
  backup: StoredBackup;
  /** Releases the locks. */
  release: () => Promise<void>;
}

/** Returns the parent; a string: why a full copy has to be made. Adds warnings about newer copies that are damaged. */
export async function findParent(
  run: RequestRun,
  db: Connection,
  source: Pick<CopySource, 'clusterDirectory' | 'control' | 'controlOrigin'>,
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
  const now = { ...control, serverVersion: facts.serverVersion, controlOrigin };
  const choice = chooseParent(candidates, catalog.damaged, now, run.context.maxChain);
  const { parent, passedOver } = choice;
  if (parent === undefined) return [choice.reason, ...passedOver.slice(0, mostNamed)].join('; ');
  if (passedOver.length > 0)
    run.warn(`the newest copy is not the parent: ${passedOver.slice(0, mostNamed).join('; ')}`);
  return holdChain(parent.backup, parent.chain.links);
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

/** Locks all links: a lock on the parent alone would keep the parent, but not what it was made from. */
async function holdChain(
  backup: StoredBackup,
  links: readonly StoredBackup[],
): Promise<FoundParent | string> {
  const locks = await Promise.allSettled(
    links.map(({ meta }) => holdLock((work) => withReaderLock(meta, work))),
  );
  const release = async () => {
    await Promise.all(locks.map(async (lock) => lock.status === 'fulfilled' && (await lock.value())));
  };
  const refused = locks.find((lock) => lock.status === 'rejected');
  if (refused === undefined) return { backup, release };
  await release();
  if (!(refused.reason instanceof HoldfastError)) throw refused.reason;
  return `the chain of backup ${linkName(backup)} cannot be used: ${refused.reason.message}`;
}
