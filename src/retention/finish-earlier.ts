/**
 * Finishes the removal of backups that a killed expiry has unlisted. A backup that is complete and held by
 * now is listed again: the control database may have been restored to a time before the removal, and may have
 * accepted a hold since. So is a complete backup without the note of an expiry: no policy has decided that it goes.
 */
import { standing } from '../identity/repository-use.ts';
import { heldRequests, type HeldRequest } from '../control/legal-holds.ts';
import {
  beginExpiry,
  damagedBackups,
  knownBackups,
  whoKeepsLocked,
  type ExpiringBackup,
  type KnownBackup,
} from '../control/retention-rows.ts';
import {
  forgetBackup,
  relistBackup,
  removeFiles,
  unlistedBackups,
  type Unlisted,
} from '../repository/expired-backup.ts';
import { isSameLsn } from '../postgres/lsn.ts';
import { backupIdIn } from '../repository/backup-name.ts';
import { linksOf } from '../repository/backup-chain.ts';
import { holdsBeside } from '../repository/stored-holds.ts';
import { copiesNotIn, mayBeOf, whyHeld, whyMayBeHeld, type StoredCopy } from './expiry-candidates.ts';
import { decideHolds, whyUnknownHolds } from './decide-holds.ts';
import { checkedNote } from './expiry-note.ts';
import { finishExpiry, type RunningExpiry } from './remove-backup.ts';
import { storedCopies } from './repository-content.ts';
import { neededUnlisted } from './unlisted-links.ts';

type Scene = Pick<RunningExpiry, 'cluster' | 'clusterDirectory' | 'control' | 'log' | 'lockWait'>;

/** A backup that is listed again, and why. */
export interface Relisted {
  backup: string;
  reasons: string[];
}

/** The result of finishEarlier() or previewEarlier(). */
export interface EarlierExpiry {
  /** Names of backups that have been removed, or would be removed. */
  finished: string[];
  /** Backups that are listed again, or would be. */
  relisted: Relisted[];
  /** Bytes that have been freed. */
  bytes: number;
  /** What is left alone, and why. */
  problems: string[];
}

/** Removes or relists the backups of a killed expiry. */
export async function finishEarlier(scene: Scene): Promise<EarlierExpiry> {
  const done: EarlierExpiry = { finished: [], relisted: [], bytes: 0, problems: [] };
  for (const one of await lookAtEarlier(scene)) {
    await standing(scene);
    const reasons = one.reasons.length > 0 ? one.reasons : await begin(one, scene);
    if (reasons.length > 0 && one.isWhole) {
      await relist({ backup: one.name, reasons }, scene);
      done.relisted.push({ backup: one.name, reasons });
    } else if (reasons.length > 0 && isNobodys(one)) {
      done.problems.push(whyLeft(one, reasons));
      scene.log.error(whyLeft(one, reasons), { cluster: scene.cluster });
    } else {
      if (reasons.length > 0) await giveUp(one, reasons, scene);
      done.bytes += await remove(one, scene);
      done.finished.push(one.name);
    }
  }
  return done;
}

/** Reports the backups that finishEarlier() would remove, relist or leave. */
export async function previewEarlier(scene: Omit<Scene, 'lockWait'>): Promise<Omit<EarlierExpiry, 'bytes'>> {
  const found = await lookAtEarlier(scene);
  const held = found.filter(({ reasons }) => reasons.length > 0);
  const relisted = held.filter(({ isWhole }) => isWhole);
  const left = held.filter((one) => !one.isWhole && isNobodys(one));
  return {
    finished: found.filter((one) => ![...relisted, ...left].includes(one)).map(({ name }) => name),
    relisted: relisted.map(({ name, reasons }) => ({ backup: name, reasons })),
    problems: left.map((one) => whyLeft(one, one.reasons)),
  };
}

interface FoundEarlier extends Unlisted {
  /** The note of the expiry; undefined where there is none that an expiry has written for this very backup. */
  expiring: ExpiringBackup | undefined;
  /** The request; undefined if the control database does not know the backup. */
  known: KnownBackup | undefined;
  /** A request that may have made the backup, see mayBeOf(). */
  mayBe: KnownBackup | undefined;
  /** Why the backup is not to be removed; empty if nothing holds the backup. */
  reasons: string[];
}

/** Whether files are there that no expiry is known to have begun to remove. */
function isNobodys({ expiring, hasFiles }: FoundEarlier): boolean {
  return expiring === undefined && hasFiles;
}

function whyLeft({ name, meta }: FoundEarlier, reasons: readonly string[]): string {
  return `left what is there of ${name}, which no expiry has noted and which is not whole: ${reasons.join('; ')}; look at "${meta}", and remove it by hand or release what holds it`;
}

async function lookAtEarlier({
  cluster,
  clusterDirectory,
  control,
}: Omit<Scene, 'lockWait'>): Promise<FoundEarlier[]> {
  const unlisted = await unlistedBackups(clusterDirectory);
  if (unlisted.length === 0) return [];
  const known = await control((db) => knownBackups(db, cluster));
  const held = await control((db) => heldRequests(db, cluster));
  const damaged = await control((db) => damagedBackups(db, cluster));
  const stored = await storedCopies(clusterDirectory);
  const found = await Promise.all(unlisted.map((one) => judged(one, cluster, { known, held, stored })));
  const noted = found.map(unlessUnnoted);
  const needed = neededUnlisted({ listed: stored, unlisted: noted, damaged });
  return noted.toSorted(byLinks).map((one) => {
    const why = one.reasons.length === 0 ? needed.get(one.name) : undefined;
    return why === undefined ? one : { ...one, reasons: [why] };
  });
}

function unlessUnnoted(one: FoundEarlier): FoundEarlier {
  if (one.reasons.length > 0 || !one.isWhole || one.expiring !== undefined) return one;
  return { ...one, reasons: ['no expiry has noted that it goes'] };
}

/** Children come before their parents. */
function byLinks(a: FoundEarlier, b: FoundEarlier): number {
  return linksOf(b.description ?? {}) - linksOf(a.description ?? {});
}

interface Known {
  known: readonly KnownBackup[];
  held: readonly HeldRequest[];
  stored: readonly StoredCopy[];
}

async function judged(
  unlisted: Unlisted,
  cluster: string,
  { known, held, stored }: Known,
): Promise<FoundEarlier> {
  const { name, why, meta, description } = unlisted;
  const note = checkedNote(why, { cluster, backup: name });
  const isOfThis =
    description === undefined ||
    (description.systemIdentifier === note?.systemIdentifier &&
      isSameLsn(description.startLsn, note.startLsn));
  const expiring = isOfThis ? note : undefined;
  const { systemIdentifier = '', startLsn = '' } = description ?? expiring ?? {};
  const backup = { id: backupIdIn(name) ?? 0, name, method: 'copy', systemIdentifier, startLsn };
  const request = known.find(
    (one) =>
      one.id === backup.id && one.systemIdentifier === systemIdentifier && isSameLsn(one.startLsn, startLsn),
  );
  const mayBe = request === undefined ? mayBeOf(backup.id, copiesNotIn(stored, known)) : undefined;
  const beside = decideHolds(backup, held, await holdsBeside(meta)).unknown;
  const reasons = [
    ...(request === undefined ? [] : whyHeld(request)),
    ...whyMayBeHeld(mayBe),
    ...beside.map(whyUnknownHolds),
  ];
  return { ...unlisted, expiring, known: request, mayBe, reasons };
}

/**
 * Marks the backup as expiring in the control database. A hold placed at the same time either fails, or is
 * the reason that is returned.
 */
async function begin(
  { expiring, known, mayBe }: FoundEarlier,
  { control, lockWait }: Scene,
): Promise<string[]> {
  if (expiring === undefined) return [];
  const asked = { request: known?.id ?? null, mayBe: mayBe?.id ?? null };
  const begun = control((db) => beginExpiry(db, { ...expiring, ...asked }, lockWait));
  const refusal = await begun.catch(whoKeepsLocked);
  return refusal === undefined ? [] : [refusal];
}

async function relist(
  { backup, reasons }: Relisted,
  { cluster, clusterDirectory, log }: Scene,
): Promise<void> {
  await relistBackup(clusterDirectory, backup);
  log.warning('put a backup back on the list that an earlier expiry had begun with', {
    cluster,
    backup,
    reason: reasons.join('; '),
  });
}

/** Removes a held backup whose files are incomplete, because an incomplete backup cannot be restored. */
async function giveUp(
  { name, expiring }: FoundEarlier,
  reasons: string[],
  { cluster, control, log, lockWait }: Scene,
): Promise<void> {
  log.error('an earlier expiry had removed files of a backup that is held now: the rest goes, too', {
    cluster,
    backup: name,
    reason: reasons.join('; '),
  });
  if (expiring !== undefined)
    await control((db) => beginExpiry(db, { ...expiring, request: null, mayBe: null }, lockWait));
}

async function remove({ name, expiring }: FoundEarlier, scene: Scene): Promise<number> {
  const { cluster, clusterDirectory, log } = scene;
  const bytes =
    expiring === undefined ? await removeFiles(clusterDirectory, name) : await finishExpiry(expiring, scene);
  if (expiring === undefined) await forgetBackup(clusterDirectory, name);
  log.info('finished the removal of a backup', { cluster, backup: name });
  return bytes;
}
