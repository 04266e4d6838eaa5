/** Errors for a repository that a control database must not use, with the command to type as a hint. */
import { dirname } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { isSameOrigin } from '../repository/control-origin.ts';
import { ownerFile, type RepositoryOwner } from '../repository/repository-owner.ts';

function lastUse({ usedAt, usedBy, controlOrigin }: RepositoryOwner): string {
  return `at ${usedAt ?? 'a time that is not known'}, from host ${usedBy ?? 'unknown'}, by the control database of origin ${controlOrigin ?? 'unknown'}`;
}

function adoptCommand(cluster: string, id: string): string {
  return `holdfast adopt --repository-id ${cluster}=${id}`;
}

/** Error: another copy of this control database has used the repository. */
export function usedElsewhere(clusterDirectory: string, owner: RepositoryOwner): HoldfastError {
  return new HoldfastError(
    'failed',
    `"${clusterDirectory}" has been used by another copy of this control database since: ${lastUse(owner)}`,
    {
      code: 'repository_used_elsewhere',
      hint: 'run "holdfast adopt" in the control database that is in charge from now on, and switch the other one off or give it a repository of its own',
    },
  );
}

/**
 * Whether the repository was put back from a copy: its last use is older than the last use that this database
 * knows of. A use by another control database would be newer.
 */
export function isOlder({ usedAt }: RepositoryOwner, lastKnown: Date | null): lastKnown is Date {
  return usedAt !== null && lastKnown !== null && Date.parse(usedAt) < lastKnown.getTime();
}

/** Error: the repository was put back from a copy. `lastKnown`: the last use that this database knows of. */
export function putBack(clusterDirectory: string, owner: RepositoryOwner, lastKnown: Date): HoldfastError {
  return new HoldfastError(
    'failed',
    `"${ownerFile(clusterDirectory)}" is an older copy of that file, which says that the repository was last used ${lastUse(owner)}, and this control database has used it at ${lastKnown.toISOString()}`,
    {
      code: 'repository_put_back',
      hint: 'run "holdfast adopt" if the repository was put back from a copy; otherwise see which other copy of this control database uses it, whose clock is behind',
    },
  );
}

/**
 * Error: the repository belongs to another cluster or to another control database. `origin`: the origin of this
 * control database.
 */
export function notOurs(
  cluster: string,
  clusterDirectory: string,
  owner: RepositoryOwner,
  origin: string,
): HoldfastError {
  const isKnown = isSameOrigin(owner.controlOrigin, origin);
  const whose = isKnown ? `cluster ${owner.cluster} of this control database` : 'another control database';
  const adopt = adoptCommand(cluster, owner.id);
  return new HoldfastError(
    'failed',
    `"${clusterDirectory}" is the repository of ${whose}: it was last used ${lastUse(owner)}`,
    {
      code: 'repository_not_ours',
      hint: isKnown
        ? `run "${adopt}" if cluster ${cluster} goes on with it, as after it was renamed; otherwise give that cluster another directory`
        : `give this control database a repository of its own (HOLDFAST_REPOSITORY, [worker] repository), or run "${adopt}" if it is in charge of that repository from now on`,
    },
  );
}

/**
 * Error: the directory has another repository than before. `known`: the known ID. `found`: the ID in the
 * directory; undefined: the repository has no ID.
 */
export function otherRepository(
  cluster: string,
  clusterDirectory: string,
  known: string,
  found?: string,
): HoldfastError {
  const instead =
    found === undefined
      ? `run "holdfast wal init --repository ${dirname(clusterDirectory)} --cluster ${cluster}", then "${adoptCommand(cluster, '<the id that it says>')}"`
      : `run "${adoptCommand(cluster, found)}"`;
  return new HoldfastError(
    'failed',
    `"${ownerFile(clusterDirectory)}" has the id ${found ?? 'none'}, and the repository of cluster ${cluster} has ${known}`,
    {
      code: 'other_repository',
      hint: `mount the repository that was used before; if this one takes its place, ${instead}`,
    },
  );
}
