/**
 * Decides whether this control database may write to a repository. Two copies of one control database are equal
 * except for what happens later. So each use puts a new random token into the database and into the repository. A
 * use is the start of a worker, every 60 to 90 seconds of its life, an expiry, or a sync. The copy that comes second finds a
 * token that it does not know.
 *
 * A copy of a repository has the token that the repository had when it was copied. So whoever begins to use a repository
 * first has the worker in charge renew the token, which then is in the repository alone.
 *
 * The token is announced in the database, written to the repository, and confirmed in the database. Each step
 * allows for a crash between the steps, for another worker, and for an expiry at the same time.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import {
  announceToken,
  confirmToken,
  knownRepository,
  requireConfirmedOrigin,
  wantToken,
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

/** A cluster whose repository is used. */
export interface RepositoryUse {
  cluster: string;
  /** The directory of the cluster in the repository. */
  clusterDirectory: string;
  /** Calls `work` with a connection to the control database. */
  control: <T>(work: (db: Connection) => Promise<T>) => Promise<T>;
}

/** `unused`: the cluster has no repository yet, neither in this directory nor elsewhere. */
export type RepositoryStanding = 'ours' | 'unused';

/** Milliseconds to wait for another use of the same repository. A use takes a few round trips. */
const lockPatience = 10_000;

/**
 * Checks that this control database may use the repository, and puts a new token into the repository. `what`: the
 * work that needs the repository, for messages.
 * @throws HoldfastError `origin_not_confirmed`, `no_repository`, `other_repository`, `repository_not_ours`,
 * `repository_put_back`, `repository_used_elsewhere`
 */
export async function useRepository(use: RepositoryUse, what: string): Promise<RepositoryStanding> {
  await use.control((db) => requireConfirmedOrigin(db, what));
  await haveTokenRenewed(use);
  return useFurther(use, what);
}

/**
 * The same for the worker in charge, whose repository useRepository has found to be the right one.
 * @throws HoldfastError as useRepository
 */
export async function useFurther(use: RepositoryUse, what: string): Promise<RepositoryStanding> {
  const { control, clusterDirectory } = use;
  await control((db) => requireConfirmedOrigin(db, what));
  if ((await standing(use)) === 'unused') return 'unused';
  await createRepository(clusterDirectory); // a repository of an older release has no owner.json
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

/** Milliseconds to wait for the worker in charge. Its repository may not answer. */
const workerPatience = 5000;
const pollEvery = 20;

/**
 * Has the worker in charge of the repository renew the token, so that standing() tells the repository from a copy. Where
 * no worker is in charge, or where the worker does not answer, nothing is known about who came first.
 */
export async function haveTokenRenewed({ cluster, control }: RepositoryUse): Promise<void> {
  if (!(await control((db) => wantToken(db, cluster)))) return;
  for (const end = performance.now() + workerPatience; performance.now() < end; await sleep(pollEvery))
    if ((await control((db) => knownRepository(db, cluster)))?.isWanted !== true) return;
}

/** Other uses by this control database that may come between two reads. Each use takes a few round trips. */
const mostInBetween = 20;

/**
 * Checks the repository like useRepository, but writes nothing. Used for later steps of work that began with
 * useRepository. `row`: the row of the cluster, where the caller has just read that.
 * @throws HoldfastError as useRepository, without `origin_not_confirmed`
 */
export async function standing(use: RepositoryUse, row?: KnownRepository): Promise<RepositoryStanding> {
  const read = () => use.control((db) => knownRepository(db, use.cluster));
  let known = row ?? (await read());
  for (let times = 0; ; times += 1) {
    const owner = await ownerOf(use.clusterDirectory);
    if (known === undefined) return 'unused';
    try {
      return judge(use, known, owner);
    } catch (error) {
      // Another use by this control database may have written its token between the read of the row and the read of
      // the repository; that token is newer than the row.
      const since = await read();
      if (isDeepStrictEqual(known, since) || times === mostInBetween) throw error;
      known = since;
    }
  }
}

/**
 * Like useRepository, but creates the repository if the cluster has none. Used for the first copy of a cluster.
 */
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

/**
 * Reads the owner of a repository. `unnamed`: a repository of an older release, without owner. undefined: no
 * repository.
 */
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
