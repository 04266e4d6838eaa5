/**
 * What has been sent off-site, kept in the repository itself, so that it is known while no database is there:
 * `<cluster>/sync.json`, replaced as a whole, by whoever has the lock.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { replaceFile } from '../repository/repository-owner.ts';

/** What the program was, or is, run with. */
export interface SyncAttempt {
  /** A backup's name; null: there was none, only WAL. */
  backup: string | null;
  /** The timestamp that the program was given besides the backup's. */
  present: string;
  /** Of the files that it found. */
  fingerprint: string;
  files: number;
}

export interface SyncRecord {
  version: 1;
  /** The latest that went well. */
  sent?: SyncAttempt & { at: string };
  /** The one after it that has not, so far. */
  attempt?: SyncAttempt & { attempts: number };
}

const fileName = 'sync.json';

/** @throws HoldfastError `sync_record_damaged` */
export async function readSyncRecord(clusterDirectory: string): Promise<SyncRecord> {
  const file = join(clusterDirectory, fileName);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { version: 1 };
    throw damaged(file, messageOf(error));
  }
  try {
    const record = JSON.parse(text) as Partial<SyncRecord> | null;
    if (record?.version === 1) return record as SyncRecord;
  } catch (error) {
    throw damaged(file, messageOf(error));
  }
  throw damaged(file, 'it is not of version 1');
}

export async function writeSyncRecord(clusterDirectory: string, record: SyncRecord): Promise<void> {
  const file = join(clusterDirectory, fileName);
  const text = `${JSON.stringify(record, null, 2)}\n`;
  await replaceFile({ path: file, text });
}

/** Later than any before, whatever the clock does: a program may keep one directory for each. */
export function nextTimestamp({ sent, attempt }: SyncRecord, now = new Date()): string {
  const latest = [sent?.present, attempt?.present]
    .filter((one) => one !== undefined)
    .sort()
    .at(-1);
  const present = compact(now);
  if (latest === undefined || present > latest) return present;
  return compact(new Date(Date.parse(expanded(latest)) + 1000));
}

function compact(time: Date): string {
  return time.toISOString().replaceAll(/[-:]|\.\d+/g, '');
}

function expanded(timestamp: string): string {
  return timestamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
}

function damaged(file: string, reason: string): HoldfastError {
  return new HoldfastError('failed', `"${file}" cannot be read: ${reason}`, {
    code: 'sync_record_damaged',
    hint: 'move it away, and everything is sent again: it says what has been sent off-site',
  });
}
