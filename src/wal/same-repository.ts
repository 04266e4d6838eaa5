/** The repository that this data directory's WAL has gone to is known by its id, and not by where it is mounted. */
import { dirname } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { noRepository, ownerFile, readOwner } from '../repository/repository-owner.ts';
import { declaredFile, declaredTarget, type Target } from './receipts.ts';

/**
 * The id of the repository; undefined: an older release has made it. @throws HoldfastError `no_repository`,
 * `other_repository` where another one is in its place
 */
export async function sameRepository(
  path: string,
  { clusterDirectory }: Target,
): Promise<string | undefined> {
  const walDirectory = dirname(path);
  const owner = await readOwner(clusterDirectory);
  const declared = await declaredTarget(walDirectory);
  const known = declared?.clusterDirectory === clusterDirectory ? declared.repository : undefined;
  if (known === undefined || known === owner?.id) return owner?.id;
  if (owner === undefined) throw noRepository(clusterDirectory, known);
  throw new HoldfastError(
    'failed',
    `"${ownerFile(clusterDirectory)}" has the id ${owner.id}, and this server has archived to the repository ${known} there`,
    {
      code: 'other_repository',
      hint: `mount the repository that was used before; if this one takes its place, remove "${declaredFile(walDirectory)}"`,
    },
  );
}
