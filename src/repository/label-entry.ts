/** One backup's entry in the label directory. */
import { HoldfastError, messageOf } from '../errors.ts';

/** The content of backup.json. LSNs are text, times are ISO 8601 in UTC. */
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

/** The files of an entry. */
export interface LabelEntry {
  description: BackupDescription;
  /** The bytes of backup_label. */
  label: Buffer;
  /** The bytes of tablespace_map; null where the backup has none and the file must not exist. */
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

/** Parses backup.json. @throws HoldfastError `label_not_found`, with the file and the problem */
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

/** `<UTC start>-<id>`. writeLabelEntry() appends a number where an entry of this name exists. */
export function entryName({ startedAt, id }: Pick<BackupDescription, 'startedAt' | 'id'>): string {
  return `${startedAt.replace(/[-:]|\.\d+/g, '')}-${id}`;
}

/** Whether `name` is the name of an entry with the request's `id`. */
export function isEntryOf(name: string, id: number): boolean {
  const [, entryId] = /^\d{8}T\d{6}Z-(\d+)(?:\.\d+)?$/.exec(name) ?? [];
  return entryId !== undefined && Number(entryId) === id;
}
