/** The commands of ours that PostgreSQL runs in a restored server. Pure. */
import { lookedToVariable } from '../repository/examined-wal.ts';
import { leaseVariable } from '../repository/renew-lease.ts';

export interface FetchCommand {
  /** bin/holdfast-wal, which does without Node for what the read-ahead has ready. */
  script: string;
  /** The directory of the Node to start where it cannot. */
  nodeDirectory: string;
  repository: string;
  cluster: string;
  /** Whether recovery may end at a hole in the archive: it is known, and behind the target or accepted. */
  despiteMissingWal?: boolean;
  /** The lease to renew. */
  lease?: string | undefined;
  /** How far the WAL has been looked through (looked-to.ts); undefined: there is nothing to look for. */
  lookedTo?: string | undefined;
}

/** For the shell, with PostgreSQL's placeholders: a percent sign of our own is doubled. */
export function fetchCommand(fetch: FetchCommand): string {
  const { script, nodeDirectory, repository, cluster, despiteMissingWal = false, lease, lookedTo } = fetch;
  const variables = [
    `PATH=${word(nodeDirectory)}:"$PATH"`,
    `HOLDFAST_REPOSITORY=${word(repository)}`,
    `HOLDFAST_CLUSTER=${word(cluster)}`,
    ...(despiteMissingWal ? ['HOLDFAST_DESPITE_MISSING_WAL=1'] : []),
    ...(lease === undefined ? [] : [`${leaseVariable}=${lease}`]),
    ...(lookedTo === undefined ? [] : [`${lookedToVariable}=${lookedTo}`]),
  ];
  return [...variables, word(script), 'fetch', '"%f"', '"%p"'].join(' ');
}

/**
 * For recovery_end_command. Its failure is no more than a warning of PostgreSQL's, but above 125, as where there is no
 * such program, the server would end (src/backend/access/transam/xlogarchive.c: ExecuteRecoveryCommand).
 */
export function endCommand({
  script,
  nodeDirectory,
}: Pick<FetchCommand, 'script' | 'nodeDirectory'>): string {
  return `PATH=${word(nodeDirectory)}:"$PATH" ${word(script)} recovered || true`;
}

function word(text: string): string {
  return shellWord(text).replaceAll('%', '%%');
}

/** One word for the shell. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
