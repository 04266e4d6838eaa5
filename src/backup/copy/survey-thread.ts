/**
 * The thread that looks at all files to copy before the backup begins: counts their bytes and checks whether the
 * files can be read. For an incremental copy, the thread also reads what the parent has. A separate thread is used because looking at many files takes a long time.
 */
import { accessSync, constants } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { setImmediate } from 'node:timers/promises';
import { versionDirectory } from '../../postgres/excluded-files.ts';
import { parseControlFile } from '../../postgres/pg-control.ts';
import { onTask } from '../../system/threads.ts';
import { messageOf } from '../../errors.ts';
import { toBytePath, toSystem, toText } from '../../system/byte-path.ts';
import { readControlFile } from './read-control-file.ts';
import { CopyError, copyFailureOf } from './copy-error.ts';
import type { FromSurvey, SurveyOptions, SurveyResult } from './copy-messages.ts';
import { readParentLengths } from './parent-lengths.ts';
import { findTrees, walk, type WalkEntry } from './walk.ts';

/** Files and directories between two looks for messages. */
const lookUpEvery = 1000;
const user = process.geteuid?.();

async function survey({ dataDirectory, major, parent }: SurveyOptions): Promise<SurveyResult> {
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

function tell(message: FromSurvey): void {
  parentPort?.postMessage(message);
}

onTask(
  () => undefined,
  () => process.exit(),
);
try {
  tell(await survey(workerData as SurveyOptions));
} catch (error) {
  tell({ failure: copyFailureOf(error) });
}
