/** Runs all checks on a recovered server, and adds the results to the record of the drill. */
import { join } from 'node:path';
import type { Connection } from '../database/connection.ts';
import type { DrillCheck, DrillRecord } from '../control/drill-records.ts';
import {
  admitEverywhere,
  forgetPlacesOfCode,
  makeReader,
  openAsSuperuser,
  recoveredFacts,
  writeCheckpoint,
  type DrillServerAddress,
} from './drill-server-queries.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import { databasesIn, sharedFile, superusersIn } from '../postgres/shared-catalogs.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import type { Assertion } from './assertions.ts';
import { checkServer, timed } from './drill-checks.ts';
import { checkPages } from './check-pages.ts';
import type { DrillReport } from './drill-report.ts';
import type { DrillServer } from './drill-server.ts';
import type { ScratchDirectory } from './scratch.ts';
import { drillServerPort } from './drill-server-settings.ts';
import { readSmallFile } from '../system/small-file.ts';

/** The recovered server, and the options of the checks. */
export interface ServerInspection {
  scratch: ScratchDirectory;
  server: DrillServer;
  major: number;
  backup: StoredBackup;
  assertions: readonly Assertion[];
  /** Milliseconds for each assertion. */
  assertionTimeout: number;
  signal: AbortSignal;
  report: DrillReport;
}

/**
 * Checks the server and fills the record in.
 * @throws where the signal is aborted, or where no superuser can connect
 */
export async function inspectServer(inspection: ServerInspection, record: DrillRecord): Promise<void> {
  const { signal, report } = inspection;
  const { address, db } = await connect(inspection);
  try {
    await forgetPlacesOfCode(db);
    const facts = await recoveredFacts(db);
    record.serverVersion = facts.version;
    record.recoveredTo = facts.recoveredTo;
    record.lastTransactionAt = facts.lastTransactionAt;
    record.bytes = facts.bytes;
    const databases = await admitEverywhere(db);
    if (inspection.assertions.length > 0) await makeReader(db, inspection.major);
    report.phase('checking', `${databases.length} databases`);
    const onCheck = (what: string) => report.phase('checking', what);
    record.checks.push(...(await checkServer({ ...inspection, address, databases, onCheck })));
    signal.throwIfAborted();
    onCheck('checksums');
    record.checks.push(await checksums(inspection, db));
  } finally {
    await db.close();
  }
}

/**
 * Connects as the first superuser that may log in, to the first database that accepts the connection. The
 * names come from the files of the shared catalogs, because no connection is open yet.
 */
async function connect({
  scratch,
  server,
  major,
}: ServerInspection): Promise<{ address: DrillServerAddress; db: Connection }> {
  const { blockSize } = server.control;
  const users = superusersIn(await catalog(scratch.data, 'pg_authid'), blockSize);
  const databases = databasesIn(await catalog(scratch.data, 'pg_database'), blockSize);
  let reason: unknown;
  for (const user of users) {
    const address = { socketDirectory: scratch.sockets, port: drillServerPort, user };
    for (const database of new Set(['postgres', 'template1', ...databases])) {
      try {
        return { address, db: await openAsSuperuser(address, database, major) };
      } catch (error) {
        reason ??= error;
      }
    }
  }
  throw new HoldfastError('failed', `nobody can connect to the recovered server: ${messageOf(reason)}`, {
    code: 'no_connection',
    hint: 'see that the backup has a superuser that may log in, and that this host has the locales of its databases',
    cause: reason,
  });
}

/** Bytes of a file of a relation (RELSEG_SIZE); a larger catalog is read up to there, too. */
const mostCatalog = 1024 ** 3;

async function catalog(dataDirectory: string, name: 'pg_authid' | 'pg_database'): Promise<Buffer> {
  const global = join(dataDirectory, 'global');
  const file = sharedFile(await readSmallFile(join(global, 'pg_filenode.map')), name);
  return readSmallFile(join(global, file), { most: mostCatalog });
}

/**
 * Verifies the checksums of all pages. The detail mentions the pages that were already damaged during the
 * backup.
 */
async function checksums(
  { scratch, server, backup, signal }: ServerInspection,
  db: Connection,
): Promise<DrillCheck> {
  return timed({ check: 'checksums' }, async () => {
    if (!server.control.checksums)
      return { detail: 'not checked: the cluster has none', problems: [], skipped: true };
    await writeCheckpoint(db);
    const { pages, damaged, problems } = await checkPages(scratch.data, server.control, signal);
    const known = backup.description.damagedPages.length;
    const before = known === 0 ? '' : `; ${known} were damaged when the backup was made`;
    return { detail: `${pages} pages, ${damaged} damaged${before}`, problems };
  });
}
