/** Looks at all files to copy before the backup begins: counts their bytes, and checks whether they can be read. */
import { accessSync, constants } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import { versionDirectory } from '../../postgres/excluded-files.ts';
import { parseControlFile } from '../../postgres/pg-control.ts';
import { toBytePath, toSystem, toText } from '../../system/byte-path.ts';
import { CopyError } from './copy-error.ts';
import type { SurveyOptions, SurveyResult } from './copy-messages.ts';
import { readParentLengths } from './parent-lengths.ts';
import type { SinceParent } from './partial-file.ts';
import { readControlFile } from './read-control-file.ts';
import { findTrees, walk, type WalkEntry } from './walk.ts';

/** Files and directories between two looks for messages. */
const lookUpEvery = 1000;
const user = process.geteuid?.();

/** What the survey has found, with the lengths, which the thread keeps. */
export interface SurveyedFiles extends Pick<SurveyResult, 'bytes'> {
  /** A string: why the lists of the parent cannot be used; undefined: there is no parent. */
  parent: { lengths: SinceParent['lengths']; wholeBytes: number } | string | undefined;
}

/** Looks at all files. Reads the lists of the parent of an incremental copy, too. @throws CopyError */
export async function surveyFiles({ dataDirectory, major, parent }: SurveyOptions): Promise<SurveyedFiles> {
  const lengths = parent && (await readParentLengths(parent).catch(messageOf));
  const { catalogVersion } = parseControlFile(await readControlFile(dataDirectory));
  const layout = findTrees(toBytePath(dataDirectory), versionDirectory(major, catalogVersion), major);
  let bytes = 0;
  let wholeBytes = 0;
  let entries = 0;
  for (const tree of layout.trees) {
    for (const found of walk(tree, layout)) {
      if (found.kind === 'file') {
        requireReadable(found);
        bytes += found.stats.size;
        if (typeof lengths !== 'object' || !lengths.has(found.path)) wholeBytes += found.stats.size;
      }
      entries += 1;
      if (entries % lookUpEvery === 0) await setImmediate(); // the worker may have asked the thread to stop
    }
  }
  return { bytes, parent: typeof lengths === 'object' ? { lengths, wholeBytes } : lengths };
}

function requireReadable({ source, stats }: WalkEntry): void {
  if (stats.uid === user && (stats.mode & 0o400) !== 0) return;
  try {
    accessSync(toSystem(source), constants.R_OK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw CopyError.reading(toText(source), error);
  }
}
