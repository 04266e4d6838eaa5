/**
 * Finishes the removal of backups that a killed expiry has unlisted. A backup that is complete and held by
 * now is listed again: the control database may have been restored to a time before the removal, and may have
 * accepted a hold since.
 */
import { standing } from '../identity/repository-use.ts';
import { heldRequests, type HeldRequest } from '../control/legal-holds.ts';
import {
  beginExpiry,
  damagedBackups,
  knownBackups,
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
import { backupIdIn } from '../repository/backup-name.ts';
import { linksOf } from '../repository/backup-chain.ts';
import { readAllBackups } from '../repository/catalog.ts';
import { holdsBeside } from '../repository/stored-holds.ts';
import { whyHeld } from './expiry-candidates.ts';
import { decideHolds, whyUnknownHolds } from './decide-holds.ts';
import { checkedNote } from './expiry-note.ts';
import { finishExpiry, type ExpireOptions } from './remove-backup.ts';
import { neededUnlisted } from './unlisted-links.ts';

type Scene = Pick<ExpireOptions, 'cluster' | 'clusterDirectory' | 'control' | 'log'>;

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
}

/** Removes or relists the backups of a killed expiry. */
export async function finishEarlier(scene: Scene): Promise<EarlierExpiry> {
  const done: EarlierExpiry = { finished: [], relisted: [], bytes: 0 };
  for (const one of await lookAtEarlier(scene)) {
    await standing(scene);
    const reasons = one.reasons.length > 0 ? one.reasons : await begin(one, scene);
    if (reasons.length > 0 && one.isWhole) {
      await relist({ backup: one.name, reasons }, scene);
      done.relisted.push({ backup: one.name, reasons });
      continue;
    }
    if (reasons.length > 0) await giveUp(one, reasons, scene);
    done.bytes += await remove(one, scene);
    done.finished.push(one.name);
  }
  return done;
}

/** Reports the backups that finishEarlier() would remove or relist. */
export async function previewEarlier(scene: Scene): Promise<Pick<EarlierExpiry, 'finished' | 'relisted'>> {
  const found = await lookAtEarlier(scene);
  const stays = ({ reasons, isWhole }: FoundEarlier) => reasons.length > 0 && isWhole;
  return {
    finished: found.filter((one) => !stays(one)).map(({ name }) => name),
    relisted: found.filter(stays).map(({ name, reasons }) => ({ backup: name, reasons })),
  };
}

interface FoundEarlier extends Unlisted {
  expiring: ExpiringBackup | undefined;
  /** The request; undefined if the control database does not know the backup. */
  known: KnownBackup | undefined;
  /** Why the backup is held; empty if nothing holds the backup. */
  reasons: string[];
}

async function lookAtEarlier({ cluster, clusterDirectory, control }: Scene): Promise<FoundEarlier[]> {
  const unlisted = await unlistedBackups(clusterDirectory);
  if (unlisted.length === 0) return [];
  const known = await control((db) => knownBackups(db, cluster));
  const held = await control((db) => heldRequests(db, cluster));
  const damaged = await control((db) => damagedBackups(db, cluster));
  const listed = await readAllBackups(clusterDirectory);
  const found = await Promise.all(unlisted.map((one) => judged(one, cluster, known, held)));
  const needed = neededUnlisted({ listed, unlisted: found, damaged });
  return found.toSorted(byLinks).map((one) => {
    const why = one.reasons.length === 0 ? needed.get(one.name) : undefined;
    return why === undefined ? one : { ...one, reasons: [why] };
  });
}

/** Children come before their parents. */
function byLinks(a: FoundEarlier, b: FoundEarlier): number {
  return linksOf(b.description ?? {}) - linksOf(a.description ?? {});
}

async function judged(
  unlisted: Unlisted,
  cluster: string,
  known: readonly KnownBackup[],
  held: readonly HeldRequest[],
): Promise<FoundEarlier> {
  const { name, why, meta } = unlisted;
  const expiring = checkedNote(why, { cluster, backup: name });
  const { systemIdentifier = '', startLsn = '' } = expiring ?? {};
  const backup = { id: backupIdIn(name) ?? 0, name, method: 'copy', systemIdentifier, startLsn };
  const request = known.find(
    (one) => one.id === backup.id && one.systemIdentifier === systemIdentifier && one.startLsn === startLsn,
  );
  const beside = decideHolds(backup, held, await holdsBeside(meta)).unknown;
  const reasons = [...(request === undefined ? [] : whyHeld(request)), ...beside.map(whyUnknownHolds)];
  return { ...unlisted, expiring, known: request, reasons };
}

/**
 * Marks the backup as expiring in the control database. A hold placed at the same time either fails, or is
 * the reason that is returned.
 */
async function begin({ expiring, known }: FoundEarlier, { control }: Scene): Promise<string[]> {
  if (expiring === undefined) return [];
  const refusal = await control((db) => beginExpiry(db, { ...expiring, request: known?.id ?? null }));
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
  { cluster, control, log }: Scene,
): Promise<void> {
  log.error('an earlier expiry had removed files of a backup that is held now: the rest goes, too', {
    cluster,
    backup: name,
    reason: reasons.join('; '),
  });
  if (expiring !== undefined) await control((db) => beginExpiry(db, { ...expiring, request: null }));
}

async function remove({ name, expiring }: FoundEarlier, scene: Scene): Promise<number> {
  const { cluster, clusterDirectory, log } = scene;
  const bytes =
    expiring === undefined ? await removeFiles(clusterDirectory, name) : await finishExpiry(expiring, scene);
  if (expiring === undefined) await forgetBackup(clusterDirectory, name);
  log.info('finished the removal of a backup', { cluster, backup: name });
  return bytes;
}
