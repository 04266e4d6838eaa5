/**
 * The label directory: what backup_label and tablespace_map were, kept outside of the database that they
 * describe. An entry is written under a temporary name, synced, renamed into place and never touched again.
 *
 *   <labels>/<cluster>/<UTC start>-<id>/{backup_label,tablespace_map,backup.json}
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { removeTree } from '../system/remove-tree.ts';
import { removeTemporaries, temporaryName } from '../system/temporary-files.ts';
import { fsyncDirectory, writeSynced } from '../system/durable-files.ts';
import { beside, makeDurableDirectory, within } from '../system/held-directory.ts';
import { entryName, type LabelEntry } from './label-entry.ts';
import { giveToOwnerOf } from '../system/ownership.ts';

const directoryMode = 0o700;
const fileMode = 0o600;
/** What an entry's name begins with while it is written. */
const writing = '.writing-';

/** Writes, syncs and removes a file, as the label will be written. @throws HoldfastError where that fails */
export async function testLabelDirectory(labels: string, cluster: string): Promise<void> {
  const directory = join(labels, cluster);
  const probe = join(directory, `.test-${randomUUID()}`);
  try {
    await makeDurableDirectory(directory);
    await beside(probe, async (file) => {
      try {
        await writeSynced(file, Buffer.alloc(16_384, 'holdfast '), fileMode);
      } finally {
        await rm(file, { force: true }).catch(() => undefined);
      }
    });
  } catch (error) {
    throw new HoldfastError(
      'failed',
      `the label directory "${directory}" cannot be written: ${messageOf(error)}`,
      {
        code: 'label_directory_unwritable',
        hint: 'make room in it or make it writable for the worker, or name another ([worker] labels, HOLDFAST_LABELS)',
        cause: error,
      },
    );
  }
}

/** Returns the entry's directory. */
export async function writeLabelEntry(labels: string, entry: LabelEntry): Promise<string> {
  const parent = join(labels, entry.description.cluster);
  await makeDurableDirectory(parent);
  return join(parent, await within(parent, (at) => writeEntry(at, entry)));
}

/** Returns its name. */
async function writeEntry(parent: string, entry: LabelEntry): Promise<string> {
  const name = entryName(entry.description);
  const temporary = join(parent, temporaryName(`${writing}${name}`));
  try {
    await removeTemporaries(parent, writing);
    await mkdir(temporary, { mode: directoryMode });
    await giveToOwnerOf(parent, temporary);
    await within(temporary, async (at) => {
      await writeSynced(join(at, 'backup_label'), entry.label, fileMode);
      if (entry.tablespaceMap !== null)
        await writeSynced(join(at, 'tablespace_map'), entry.tablespaceMap, fileMode);
      const description = Buffer.from(`${JSON.stringify(entry.description, null, 2)}\n`);
      await writeSynced(join(at, 'backup.json'), description, fileMode);
      await fsyncDirectory(at);
    });
    const directory = await renameToFree(temporary, join(parent, name));
    await fsyncDirectory(parent);
    return basename(directory);
  } catch (error) {
    await removeTree(temporary).catch(() => undefined);
    throw error;
  }
}

/** An entry is never overwritten: rename refuses a directory that is not empty, and the next number is tried. */
async function renameToFree(from: string, to: string): Promise<string> {
  for (let number = 1; ; number += 1) {
    const free = number === 1 ? to : `${to}.${number}`;
    try {
      await rename(from, free);
      return free;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    }
  }
}
