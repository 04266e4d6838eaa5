/**
 * The record of the files that have been sent off-site: `<cluster>/sync.json` in the repository, so that the
 * record is readable without a database. The process that holds the lock replaces the file as a whole.
 */
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { replaceFile } from '../repository/repository-owner.ts';
import { readSmallFile } from '../system/small-file.ts';

/** One run of the program. */
export interface SyncAttempt {
  /** The name of the backup; null means that only WAL is sent. */
  backup: string | null;
  /** The second timestamp that the program gets. */
  present: string;
  /** Of the names, sizes and modification times of the files that the program finds. */
  fingerprint: string;
  /** How many files the program finds. */
  files: number;
}

/** The content of the file. */
export interface SyncRecord {
  version: 1;
  /** The last successful run; `at` is its end. */
  sent?: SyncAttempt & { at: string };
  /** The run after the last successful one that has not succeeded yet. */
  attempt?: SyncAttempt & { attempts: number };
}

const fileName = 'sync.json';

/** The record; an empty one if there is no file. @throws HoldfastError `sync_record_damaged` */
export async function readSyncRecord(clusterDirectory: string): Promise<SyncRecord> {
  const file = join(clusterDirectory, fileName);
  let text: string;
  try {
    text = (await readSmallFile(file)).toString('utf8');
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

/** Replaces the record. The caller holds the lock of the sync. */
export async function writeSyncRecord(clusterDirectory: string, record: SyncRecord): Promise<void> {
  const file = join(clusterDirectory, fileName);
  const text = `${JSON.stringify(record, null, 2)}\n`;
  await replaceFile({ path: file, text });
}

/**
 * A timestamp later than all earlier ones, even if the clock went back: a program may use one directory per
 * timestamp.
 */
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
    hint: 'move that file away, and everything is sent off-site again',
  });
}
