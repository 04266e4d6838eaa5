/**
 * Decides whether the result of a verification or a drill speaks for the repository that the control database knows.
 * Retention counts such results by cluster and name, and a copy of the repository has backups of the same names.
 */
import { dirname, resolve } from 'node:path';
import { knownRepository } from '../control/control-identity.ts';
import { HoldfastError } from '../errors.ts';
import { backupsDirectory } from '../repository/repository-backup.ts';
import { realPathOf } from '../system/real-path.ts';
import { haveTokenRenewed, standing, type RepositoryUse } from './repository-use.ts';

/**
 * Returns why a result is not one of the cluster's repository; undefined where the result is. `backup`: the directory of
 * the backup; undefined: the backup was found in `clusterDirectory`, or none was found.
 */
export async function whyNotOurs(
  use: RepositoryUse,
  backup: string | undefined,
): Promise<string | undefined> {
  const { cluster, clusterDirectory, control } = use;
  const known = await control((db) => knownRepository(db, cluster));
  if (known === undefined) return `the control database has no cluster "${cluster}"`;
  if (known.id === null) return `the control database knows no repository of cluster "${cluster}" yet`;
  try {
    await haveTokenRenewed(use);
    await standing(use);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return error.message;
  }
  const place = backupsDirectory(clusterDirectory);
  if (backup === undefined) return undefined;
  if ((await realPathOf(dirname(resolve(backup)))) === (await realPathOf(place))) return undefined;
  return `"${backup}" is not in "${place}"`;
}
