/** One backup's entry in the label directory. */
import { messageOf, type HoldfastError } from '../errors.ts';
import type { BackupStart, BackupStop } from '../postgres/backup-facts.ts';

/** The content of backup.json: the request of a backup, its start and its stop. */
export interface BackupRecord
  extends Omit<BackupStart, 'tablespaces'>, Omit<BackupStop, 'label' | 'tablespaceMap'> {
  /** The id of the request. */
  id: number;
  cluster: string;
  /** The label of the request. */
  label: string;
}

/** The files of an entry. */
export interface LabelEntry extends Pick<BackupStop, 'label' | 'tablespaceMap'> {
  description: BackupRecord;
}

/** The record of a backup, with the keys in the order of backup.json. */
export function backupRecord(
  { id, cluster, label }: Pick<BackupRecord, 'id' | 'cluster' | 'label'>,
  start: Omit<BackupStart, 'tablespaces'>,
  stop: Omit<BackupStop, 'label' | 'tablespaceMap'>,
): BackupRecord {
  return {
    id,
    cluster,
    label,
    serverVersion: start.serverVersion,
    systemIdentifier: start.systemIdentifier,
    timeline: start.timeline,
    startedAt: start.startedAt,
    stoppedAt: stop.stoppedAt,
    startLsn: start.startLsn,
    startWal: start.startWal,
    stopLsn: stop.stopLsn,
    stopWal: stop.stopWal,
  };
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
} satisfies Record<keyof BackupRecord, string>;

/** Parses backup.json. `refuse` makes the error, with the problem. @throws HoldfastError */
export function parseDescription(bytes: Buffer, refuse: (reason: string) => HoldfastError): BackupRecord {
  let description: Record<string, unknown>;
  try {
    description = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
  } catch (error) {
    throw refuse(`is not JSON: ${messageOf(error)}`);
  }
  for (const [key, type] of Object.entries(types)) {
    if (typeof description?.[key] !== type) throw refuse(`has no ${type} "${key}"`);
  }
  return description as unknown as BackupRecord;
}
