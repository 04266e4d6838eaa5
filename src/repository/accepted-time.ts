/**
 * `clock.json`: the last time that an expiry or a worker accepted as the present. It says nothing of backups and WAL,
 * and is made anew where it is missing.
 */
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { removeTemporaries, temporaryName } from '../identity/temporary.ts';
import { syncDirectory, writeSynced } from './durable-files.ts';
import { repositoryError, repositoryUnreadable } from './repository-errors.ts';
import { giveToOwnerOf } from './repository-owner.ts';

const fileName = 'clock.json';

export function acceptedTimeFile(clusterDirectory: string): string {
  return join(clusterDirectory, fileName);
}

/** undefined: there is none. @throws HoldfastError `repository_unreadable` */
export async function readAcceptedTime(clusterDirectory: string): Promise<Date | undefined> {
  const file = acceptedTimeFile(clusterDirectory);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw repositoryUnreadable(file, error);
  }
  try {
    return parse(JSON.parse(text));
  } catch (error) {
    throw new HoldfastError('failed', `"${file}" makes no sense: ${messageOf(error)}`, {
      code: 'repository_unreadable',
      hint: 'see that the clock is right, and run "holdfast expire --clock-is-right", which writes the file anew',
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

/** Durable when it resolves. The directory has to be there. */
export async function writeAcceptedTime(clusterDirectory: string, time: Date): Promise<void> {
  const file = acceptedTimeFile(clusterDirectory);
  const temporary = join(clusterDirectory, temporaryName(`.${fileName}`));
  try {
    await removeTemporaries(clusterDirectory, `.${fileName}`);
    const content = { version: 1, accepted: time.toISOString() };
    await writeSynced(temporary, Buffer.from(`${JSON.stringify(content)}\n`), 0o600);
    await giveToOwnerOf(clusterDirectory, temporary);
    await rename(temporary, file);
    await syncDirectory(clusterDirectory);
  } catch (error) {
    throw repositoryError(error, file);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}
