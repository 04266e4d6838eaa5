/** One backup's entry in the label directory. */
import { HoldfastError, messageOf } from '../errors.ts';

/** What backup.json says. LSNs are text, times ISO 8601 in UTC. */
export interface BackupDescription {
  id: number;
  cluster: string;
  label: string;
  serverVersion: string;
  systemIdentifier: string;
  timeline: number;
  startedAt: string;
  stoppedAt: string;
  startLsn: string;
  startWal: string;
  stopLsn: string;
  stopWal: string;
}

export interface LabelEntry {
  description: BackupDescription;
  /** The bytes of backup_label. */
  label: Buffer;
  /** Those of tablespace_map; null: there is none, and no such file must exist. */
  tablespaceMap: Buffer | null;
}

const types = {
  id: 'number',
  cluster: 'string',
  label: 'string',
  serverVersion: 'string',
  systemIdentifier: 'string',
  timeline: 'number',
  startedAt: 'string',
  stoppedAt: 'string',
  startLsn: 'string',
  startWal: 'string',
  stopLsn: 'string',
  stopWal: 'string',
} satisfies Record<keyof BackupDescription, string>;

/** @throws HoldfastError naming the file and what is wrong with it */
export function parseDescription(file: string, bytes: Buffer): BackupDescription {
  const refuse = (reason: string) =>
    new HoldfastError('failed', `"${file}" ${reason}`, { code: 'label_not_found' });
  let description: Record<string, unknown>;
  try {
    description = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
  } catch (error) {
    throw refuse(`is not JSON: ${messageOf(error)}`);
  }
  for (const [key, type] of Object.entries(types)) {
    if (typeof description?.[key] !== type) throw refuse(`has no ${type} "${key}"`);
  }
  return description as unknown as BackupDescription;
}

/** `<UTC start>-<id>`; a number follows where an entry of that name was there already. */
export function entryName({ startedAt, id }: Pick<BackupDescription, 'startedAt' | 'id'>): string {
  return `${startedAt.replace(/[-:]|\.\d+/g, '')}-${id}`;
}

export function isEntryOf(name: string, id: number): boolean {
  const [, entryId] = /^\d{8}T\d{6}Z-(\d+)(?:\.\d+)?$/.exec(name) ?? [];
  return entryId !== undefined && Number(entryId) === id;
}
