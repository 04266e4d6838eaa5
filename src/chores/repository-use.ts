/**
 * May this control database write to that repository? Two copies of one control database have everything in common
 * but what happens to them from then on. So every use (a worker's start and every minute of its life, an expiry, a
 * sync) puts a new random token into the database and into the repository: whoever of the two comes second finds a token
 * that it does not know.
 *
 * The token is announced in the database, written to the repository, and confirmed in the database, each time with
 * what may still be under way beside it: a crash in between, another worker or an expiry at the same moment are
 * recognised.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import {
  announceToken,
  confirmToken,
  knownRepository,
  requireConfirmedOrigin,
  type KnownRepository,
} from '../control/control-identity.ts';
import type { Connection } from '../database/connection.ts';
import { isWithoutLocks, withLock } from '../system/file-lock.ts';
import { isSameOrigin } from '../repository/control-origin.ts';
import {
  createRepository,
  noRepository,
  ownerLock,
  readOwner,
  replaceOwner,
  requireRepository,
  type RepositoryOwner,
} from '../repository/repository-owner.ts';
import { isOlder, notOurs, otherRepository, putBack, usedElsewhere } from './repository-refusals.ts';

export interface RepositoryUse {
  cluster: string;
  /** Of the cluster, in the repository. */
  clusterDirectory: string;
  control: <T>(work: (db: Connection) => Promise<T>) => Promise<T>;
}

/** unused: the cluster has no repository yet, neither here nor elsewhere. */
export type RepositoryStanding = 'ours' | 'unused';

/** Milliseconds for another use of the same repository, which takes a few round trips. */
const lockPatience = 10_000;

/**
 * Refuses where the repository is another's, and says that it is used by this control database. @throws HoldfastError
 * `origin_not_confirmed`, `no_repository`, `other_repository`, `repository_not_ours`,
 * `repository_put_back`, `repository_used_elsewhere`
 */
export async function useRepository(use: RepositoryUse, what: string): Promise<RepositoryStanding> {
  const { control, clusterDirectory } = use;
  await control((db) => requireConfirmedOrigin(db, what));
  if ((await standing(use)) === 'unused') return 'unused';
  await createRepository(clusterDirectory); // of an older release, it has no owner.json
  let begun = false;
  const begin = () => {
    begun = true;
    return renew(use);
  };
  await withLock(await ownerLock(clusterDirectory), { shared: false, wait: lockPatience }, begin).catch(
    (error: unknown) => {
      if (begun || !isWithoutLocks(error)) throw error;
      return renew(use);
    },
  );
  return 'ours';
}

/** How often another use of ours may come between: each takes a few round trips. */
const mostInBetween = 20;

/** The same, without a trace: for what has been begun by a use. */
export async function standing(use: RepositoryUse): Promise<RepositoryStanding> {
  const read = () => use.control((db) => knownRepository(db, use.cluster));
  let known = await read();
  for (let times = 0; ; times += 1) {
    const owner = await ownerOf(use.clusterDirectory);
    // Another use of this control database may have left its token between the two: then it is newer than the row read.
    const since = await read();
    if (isDeepStrictEqual(known, since) || times === mostInBetween)
      return since === undefined ? 'unused' : judge(use, since, owner);
    known = since;
  }
}

/** For the first copy of a cluster whose repository nobody has made yet. */
export async function useOrCreateRepository(use: RepositoryUse, what: string): Promise<void> {
  if ((await standing(use)) === 'unused') await createRepository(use.clusterDirectory);
  await useRepository(use, what);
}

async function renew({ cluster, clusterDirectory, control }: RepositoryUse): Promise<void> {
  const known = await control((db) => knownRepository(db, cluster));
  const before = await readOwner(clusterDirectory);
  if (known === undefined) return;
  judge({ cluster, clusterDirectory }, known, before);
  if (before === undefined)
    throw noRepository(clusterDirectory, known.id === null ? undefined : { id: known.id });
  const token = randomUUID();
  const now = await control((db) => announceToken(db, { cluster, token, found: before.token }));
  const usedAt = now.toISOString();
  const since = isSameOrigin(before.controlOrigin, known.origin) ? before.since : usedAt;
  const owner = { ...before, cluster, token, controlOrigin: known.origin, since, usedAt, usedBy: hostname() };
  await replaceOwner(clusterDirectory, owner);
  const readBack = async () => (await readOwner(clusterDirectory))?.token;
  if (await control((db) => confirmToken(db, { cluster, id: before.id, token }, readBack))) return;
  const [knownNow, found] = [
    await control((db) => knownRepository(db, cluster)),
    await readOwner(clusterDirectory),
  ];
  if (knownNow !== undefined) judge({ cluster, clusterDirectory }, knownNow, found);
  throw usedElsewhere(clusterDirectory, found ?? owner);
}

/** What there is of an older release has an owner that nobody knows. */
async function ownerOf(clusterDirectory: string): Promise<RepositoryOwner | 'unnamed' | undefined> {
  const owner = await readOwner(clusterDirectory);
  if (owner !== undefined) return owner;
  try {
    requireRepository(clusterDirectory);
    return 'unnamed';
  } catch {
    return undefined;
  }
}

function judge(
  { cluster, clusterDirectory }: Pick<RepositoryUse, 'cluster' | 'clusterDirectory'>,
  known: KnownRepository,
  owner: RepositoryOwner | 'unnamed' | undefined,
): RepositoryStanding {
  if (owner === undefined) {
    if (known.id === null) return 'unused';
    throw noRepository(clusterDirectory, { id: known.id });
  }
  if (owner === 'unnamed') {
    if (known.id === null) return 'ours';
    throw otherRepository(cluster, clusterDirectory, known.id);
  }
  const isOurs = owner.token === known.token || (owner.token !== null && known.pending.includes(owner.token));
  if (known.id === null) {
    if (owner.token === null || isOurs) return 'ours';
    throw notOurs(cluster, clusterDirectory, owner, known.origin);
  }
  if (owner.id !== known.id) throw otherRepository(cluster, clusterDirectory, known.id, owner.id);
  if (isOurs || known.takenOver) return 'ours';
  if (isOlder(owner, known.usedAt)) throw putBack(clusterDirectory, owner, known.usedAt);
  throw usedElsewhere(clusterDirectory, owner);
}
