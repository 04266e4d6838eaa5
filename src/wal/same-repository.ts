/**
 * Checks that the repository is the one to which this data directory has archived. The id identifies the repository,
 * not the path of its mount point.
 */
import { basename, dirname, resolve } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { requireArchiveThere } from '../repository/archive-there.ts';
import { noRepository, ownerFile, readOwner } from '../repository/repository-owner.ts';
import { readKnownRepository } from './known-repository.ts';

/**
 * Returns the id of the repository; undefined where an older release created the repository.
 * @throws HoldfastError `no_repository` where the repository is missing, `other_repository` where another repository
 * is at its path, `no_archive` where its directory of WAL is not mounted
 */
export async function sameRepository(
  walDirectory: string,
  clusterDirectory: string,
): Promise<string | undefined> {
  const owner = await readOwner(clusterDirectory);
  const known = await readKnownRepository(walDirectory, clusterDirectory);
  if (known === undefined) return owner?.id;
  if (known === owner?.id) {
    await requireArchiveThere(clusterDirectory);
    return known;
  }
  const dataDirectory = dirname(resolve(walDirectory));
  if (owner === undefined) throw noRepository(clusterDirectory, { id: known, dataDirectory });
  const [repository, cluster] = [dirname(clusterDirectory), basename(clusterDirectory)];
  throw new HoldfastError(
    'failed',
    `"${ownerFile(clusterDirectory)}" has the id ${owner.id}, and this server has archived to the repository ${known} there`,
    {
      code: 'other_repository',
      hint: `mount the repository that was used before; if this one takes its place, run "holdfast wal init --repository ${repository} --cluster ${cluster} --data-directory ${dataDirectory}" as the server's user`,
    },
  );
}
