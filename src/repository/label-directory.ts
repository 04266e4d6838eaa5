/**
 * The label directory keeps backup_label and tablespace_map outside the database that they describe. An entry is
 * written under a temporary name, synced, renamed into place and never changed afterwards.
 *
 *   <labels>/<cluster>/<UTC start>-<id>/{backup_label,tablespace_map,backup.json}
 */
import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { answerOf } from '../system/answering.ts';
import { removeTree } from '../system/remove-tree.ts';
import { removeTemporaries, temporaryName } from '../system/temporary-files.ts';
import { fsyncDirectory, writeSynced } from '../system/durable-files.ts';
import { beside, makeDurableDirectory, makeNewDirectory, within } from '../system/held-directory.ts';
import { entryName } from './backup-name.ts';
import type { LabelEntry } from './label-entry.ts';

const fileMode = 0o600;
/** The prefix of an entry's temporary name. */
const writing = '.writing-';

/**
 * Tests whether a label can be written: writes, syncs and removes a file of 16 kB. Requests at the same time share a test.
 * @throws HoldfastError `label_directory_unwritable`
 */
export async function testLabelDirectory(labels: string, cluster: string): Promise<void> {
  const directory = join(labels, cluster);
  try {
    await answerOf(`test ${directory}`, directory, () => testWriting(directory));
  } catch (error) {
    throw new HoldfastError(
      'failed',
      `the label directory "${directory}" cannot be written: ${messageOf(error)}`,
      {
        code: 'label_directory_unwritable',
        hint: 'mount its file system, make room in that directory, make it writable for the worker, or name another one ([worker] labels, HOLDFAST_LABELS)',
        cause: error,
      },
    );
  }
}

async function testWriting(directory: string): Promise<void> {
  await makeDurableDirectory(directory);
  await beside(join(directory, `.test-${randomUUID()}`), async (file) => {
    try {
      await writeSynced(file, Buffer.alloc(16_384, 'holdfast '), fileMode);
    } finally {
      await rm(file, { force: true }).catch(() => undefined);
    }
  });
}

/** Writes an entry and returns the path of the entry's directory. Durable when the promise resolves. */
export async function writeLabelEntry(labels: string, entry: LabelEntry): Promise<string> {
  const parent = join(labels, entry.description.cluster);
  await makeDurableDirectory(parent);
  return join(parent, await within(parent, (at) => writeEntry(at, entry)));
}

/** Returns the name of the entry's directory. */
async function writeEntry(parent: string, entry: LabelEntry): Promise<string> {
  const name = entryName(entry.description);
  const temporary = join(parent, temporaryName(`${writing}${name}`));
  try {
    await removeTemporaries(parent, writing);
    await makeNewDirectory(temporary);
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

/**
 * Renames `from` to `to`, or to `to.2`, `to.3` and so on. An entry is never overwritten: rename refuses a directory
 * that is not empty.
 */
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
