/**
 * Refuses a backup that is known to fail, before the checkpoint of the backup. The hint of each refusal names the
 * change to make.
 */
import { ServerError } from '../database/connection.ts';
import type { WaitingRequest } from '../control/backup-requests.ts';
import { quoteIdentifier } from '../database/sql-script.ts';
import { archiver, preflightFacts, type PreflightFacts } from '../server/server-queries.ts';
import type { ArchiverReport } from '../postgres/archiver-report.ts';
import { HoldfastError } from '../errors.ts';
import type { BackupSession } from './backup-session.ts';
import { isSupportedMajor, supportedPostgres } from '../postgres/supported-versions.ts';
import { backupFunctions } from '../server/backup-functions.ts';

/** Bytes. PostgreSQL's limit for a label (MAXPGPATH), in the encoding of the target database. */
const longestLabel = 1024;

type Wanted = Pick<WaitingRequest, 'label' | 'method' | 'waitForArchive'>;

/**
 * Checks the server before a backup. Returns warnings.
 * @throws HoldfastError with the first reason to refuse the backup
 */
export async function preflight(request: Wanted, session: BackupSession): Promise<string[]> {
  const { db } = session;
  requireSupportedVersion(db.serverVersion);
  const functions = backupFunctions(db.serverVersion);
  const facts = await preflightFacts(db, request.label, functions).catch(explainLabel);
  const refused = refusal(request, facts, functions);
  if (refused) throw refused;
  const warnings = elsewhere(facts);
  const report = facts.mayWatchArchive && facts.archiveMode !== 'off' ? await archiver(db) : undefined;
  const reason = archivingProblem(facts, report);
  if (reason === undefined) return warnings;
  if (request.method === 'copy' && facts.archiveMode === 'off')
    return [
      ...warnings,
      'archive_mode is off: the backup holds the WAL to restore it as of its end, and to no later time',
    ];
  if (request.waitForArchive) throw reason;
  return [...warnings, `${reason.message}; the requester did not want to wait for the archive`];
}

/**
 * Warns of configuration files outside of the data directory, as in Debian's packages. No copy of the data
 * directory contains these files.
 */
function elsewhere({ configuration }: PreflightFacts): string[] {
  const [dataDirectory, ...all] = configuration ?? [''];
  const files = all.filter((file) => !file.startsWith(`${dataDirectory}/`));
  if (files.length === 0) return [];
  const [lie, them] = files.length === 1 ? ['lies', 'it'] : ['lie', 'them'];
  const named = files.map((file) => `"${file}"`).join(', ');
  return [`${named} ${lie} outside of the data directory: back ${them} up, too`];
}

function requireSupportedVersion(version: number): void {
  const major = Math.floor(version / 10_000);
  if (isSupportedMajor(major)) return;
  throw new HoldfastError('failed', `PostgreSQL ${major} is not supported`, {
    code: 'unsupported_version',
    hint: `use another release of Holdfast: this one supports ${supportedPostgres}`,
  });
}

function explainLabel(error: unknown): never {
  if (!(error instanceof ServerError) || error.code !== '22P05') throw error;
  throw new HoldfastError(
    'failed',
    'the label has characters that the encoding of the target database cannot hold',
    {
      code: 'label_not_representable',
      hint: 'use a label of ASCII characters, or connect the worker to a database of another encoding',
      cause: error,
    },
  );
}

/**
 * Returns why this backup cannot be taken on the server in its present state; undefined: the backup can be taken.
 */
export function refusal(
  request: Pick<Wanted, 'method' | 'waitForArchive'>,
  facts: PreflightFacts,
  functions: { startFunction: string; stopFunction: string },
): HoldfastError | undefined {
  const refuse = (code: string, message: string, hint: string) =>
    new HoldfastError('failed', message, { code, hint });
  const grantee = quoteIdentifier(facts.user);
  if (request.method === 'command') {
    return refuse(
      'method_not_available',
      `this worker has no method "${request.method}"`,
      'use method copy; or method hold, and copy the files yourself while the request is running',
    );
  }
  if (facts.inRecovery) {
    return refuse('in_recovery', 'the server is a standby', 'set the url of the cluster to its primary');
  }
  if (!facts.mayStart || !facts.mayStop) {
    const missing = facts.mayStart ? functions.stopFunction : functions.startFunction;
    return refuse(
      'missing_privilege',
      `role "${facts.user}" may not execute ${missing} in database "${facts.database}"`,
      `as a superuser in that database: GRANT EXECUTE ON FUNCTION ${functions.startFunction}, ${functions.stopFunction} TO ${grantee}; GRANT pg_monitor TO ${grantee}`,
    );
  }
  if (request.waitForArchive && !facts.mayWatchArchive) {
    return refuse(
      'missing_privilege',
      `role "${facts.user}" may not look at the archiver's status`,
      `as a superuser: GRANT pg_monitor TO ${grantee}`,
    );
  }
  if (facts.walLevel === 'minimal') {
    return refuse('wal_level', 'wal_level is minimal', 'set wal_level = replica and restart the server');
  }
  if (facts.labelBytes > longestLabel) {
    return refuse(
      'label_too_long',
      `the label has ${facts.labelBytes} bytes in the encoding of the target database, more than ${longestLabel}`,
      'use a shorter label',
    );
  }
  return undefined;
}

/** Returns why the WAL of the backup would not be archived; undefined: no reason. */
export function archivingProblem(
  facts: PreflightFacts,
  report: ArchiverReport | undefined,
): HoldfastError | undefined {
  const problem = (code: string, message: string, hint: string) =>
    new HoldfastError('failed', message, { code, hint });
  if (facts.archiveMode === 'off') {
    return problem(
      'archiving_off',
      'archive_mode is off, so the WAL that the backup needs would not be kept',
      'set archive_mode = on and an archive_command and restart the server; or request with wait_for_archive = false and keep the WAL in another way',
    );
  }
  if ((facts.archiveCommand ?? '') === '' && facts.archiveLibrary === '') {
    return problem(
      'archiving_not_configured',
      'archive_mode is on, but there is no archive_command and no archive_library',
      'set archive_command and reload the server',
    );
  }
  if (report?.archiverFailing) {
    return problem(
      'archiver_failing',
      `the archiver is failing: it could not archive ${report.lastFailedWal} at ${report.lastFailedAt?.toISOString()}`,
      'see the server log for what archive_command said; or request with wait_for_archive = false',
    );
  }
  return undefined;
}
