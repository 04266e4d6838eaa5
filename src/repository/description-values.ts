/**
 * Checks the values of a backup.json. A valid checksum does not prove that Holdfast wrote the file, and the values
 * become paths, loops and lines on a terminal. Pure.
 */
import { clusterNamePattern } from '../cluster-name.ts';
import { isBackupName } from './backup-name.ts';
import type { BackupRecord } from './label-entry.ts';

const segment = /^[0-9A-F]{24}$/;
const lsn = /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/;

/** Returns the key of the first impossible value, or undefined. The types of the values have been checked before. */
export function oddValue(description: BackupRecord): keyof BackupRecord | undefined {
  const { id, timeline, systemIdentifier, serverVersion } = description;
  const checks: [keyof BackupRecord, boolean][] = [
    ['id', Number.isSafeInteger(id) && id >= 0],
    ['cluster', clusterNamePattern.test(description.cluster)],
    ['timeline', Number.isSafeInteger(timeline) && timeline > 0 && timeline < 2 ** 32],
    ['systemIdentifier', /^-?\d{1,19}$/.test(systemIdentifier)],
    ['serverVersion', /^[1-9]\d\P{Cc}*$/u.test(serverVersion)],
    ['startedAt', isTime(description.startedAt)],
    ['stoppedAt', isTime(description.stoppedAt)],
    ['startWal', segment.test(description.startWal)],
    ['stopWal', segment.test(description.stopWal)],
    ['startLsn', lsn.test(description.startLsn)],
    ['stopLsn', lsn.test(description.stopLsn)],
  ];
  return checks.find(([, can]) => !can)?.[0];
}

const shapes = {
  tars: { name: 'string', bytes: 'number', size: 'number', frames: 'number' },
  tablespaces: { oid: 'number', path: 'string', tar: 'string' },
  damagedPages: { file: 'string', block: 'number' },
};

/** Whether `list` is an array whose elements have the fields of `key`. */
export function isListOf(key: keyof typeof shapes, list: unknown): boolean {
  return Array.isArray(list) && list.every((one) => hasShape(Object(one), shapes[key]));
}

function hasShape(one: Record<string, unknown>, shape: Record<string, string>): boolean {
  return Object.entries(shape).every(([name, type]) =>
    type === 'number' ? isAmount(one[name]) : typeof one[name] === type,
  );
}

const link = {
  parent: 'string',
  parentRequest: 'number',
  fromLsn: 'string',
  fromTimeline: 'number',
  parentManifestCrc32c: 'number',
  full: 'string',
  links: 'number',
  lengthsCrc32c: 'number',
};

/** Whether `value` is what an incremental copy says of its chain, or undefined, as in a full copy. */
export function isIncrementalOf(value: unknown): boolean {
  if (value === undefined) return true;
  const { parent, full, fromLsn, fromTimeline, links } = Object(value) as Record<string, unknown>;
  return (
    hasShape(Object(value), link) &&
    [parent, full].every((name) => isBackupName(String(name))) &&
    lsn.test(String(fromLsn)) &&
    Number(fromTimeline) > 0 &&
    Number(links) > 0 &&
    (links === 1) === (parent === full)
  );
}

function isAmount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isTime(text: string): boolean {
  return /^\d{4,6}-\d\d-\d\dT[\d:.]+Z$/.test(text) && !Number.isNaN(Date.parse(text));
}
