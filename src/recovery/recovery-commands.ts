/** Builds the commands of Holdfast that PostgreSQL runs in a restored server. Pure. */
import { lookedToVariable } from '../repository/examined-wal.ts';
import { leaseVariable } from '../repository/renew-lease.ts';

/** The parts of a restore_command. */
export interface FetchCommand {
  /** The path of bin/holdfast-wal, which hands out prefetched segments without starting Node. */
  script: string;
  /** The directory of the Node program that bin/holdfast-wal starts if a segment has not been prefetched. */
  nodeDirectory: string;
  repository: string;
  cluster: string;
  /**
   * Whether recovery may end at a missing segment: the segment is after the target, or the operator accepts
   * the end.
   */
  despiteMissingWal?: boolean;
  /** The name of the lease that the command renews. */
  lease?: string | undefined;
  /**
   * The last segment that has been examined (examined-wal.ts); undefined: fetched segments are not examined.
   */
  lookedTo?: string | undefined;
}

/**
 * The value of restore_command, for the shell, with the placeholders %f and %p. Other percent signs are
 * doubled.
 */
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
 * The value of recovery_end_command. PostgreSQL only warns about a failure, but ends the server if the exit
 * status is above 125, as when the program does not exist (src/backend/access/transam/xlogarchive.c:
 * ExecuteRecoveryCommand).
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

/** Quotes text as one word for the shell. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
