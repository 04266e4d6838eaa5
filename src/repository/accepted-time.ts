/**
 * `clock.json` in a cluster's directory: the last time that an expiry or a worker accepted as the present. The file
 * says nothing about backups or WAL, and a missing file is written anew.
 */
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { readIfThere } from './repository-errors.ts';
import { replaceFile } from './repository-owner.ts';

const fileName = 'clock.json';

function acceptedTimeFile(clusterDirectory: string): string {
  return join(clusterDirectory, fileName);
}

/**
 * Returns undefined where the file does not exist.
 * @throws HoldfastError `repository_unreadable` where the file cannot be read or parsed
 */
export async function readAcceptedTime(clusterDirectory: string): Promise<Date | undefined> {
  const file = acceptedTimeFile(clusterDirectory);
  const text = await readIfThere(file);
  if (text === undefined) return undefined;
  try {
    return parse(JSON.parse(text));
  } catch (error) {
    throw new HoldfastError('failed', `"${file}" is damaged: ${messageOf(error)}`, {
      code: 'repository_unreadable',
      hint: 'set the clock right, and run "holdfast expire --clock-is-right", which writes the file anew',
      cause: error,
    });
  }
}

function parse(value: unknown): Date {
  const { version, accepted } = (value ?? {}) as Record<string, unknown>;
  if (version !== 1) throw new Error('it is not of version 1');
  const time = new Date(typeof accepted === 'string' ? accepted : NaN);
  if (Number.isNaN(time.getTime())) throw new Error('it has no time');
  return time;
}

/** Writes `time`; durable when the promise resolves. The cluster's directory has to exist. */
export async function writeAcceptedTime(clusterDirectory: string, time: Date): Promise<void> {
  const content = { version: 1, accepted: time.toISOString() };
  await replaceFile({
    path: acceptedTimeFile(clusterDirectory),
    text: `${JSON.stringify(content)}\n`,
  });
}
