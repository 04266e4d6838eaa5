/** The repository that this data directory's WAL has gone to is known by its id, and not by where it is mounted. */
import { basename, dirname, resolve } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { noRepository, ownerFile, readOwner } from '../repository/repository-owner.ts';
import { readKnownRepository } from './known-repository.ts';

/**
 * The id of the repository; undefined: an older release has made it. @throws HoldfastError `no_repository`,
 * `other_repository` where another one is in its place
 */
export async function sameRepository(
  walDirectory: string,
  clusterDirectory: string,
): Promise<string | undefined> {
  const owner = await readOwner(clusterDirectory);
  const known = await readKnownRepository(walDirectory, clusterDirectory);
  if (known === undefined || known === owner?.id) return owner?.id;
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
