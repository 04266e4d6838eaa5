/**
 * The thread of a copy. While the backup begins, the thread looks at all files and starts the frame threads; then it
 * copies, and waits for backup_label. A separate thread is used so that waiting for a disk never blocks the worker.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { parseControlFile } from '../../postgres/pg-control.ts';
import { onTask } from '../../system/threads.ts';
import { parseLsn } from '../../postgres/lsn.ts';
import { CoordinatedCopy } from './coordinated-copy.ts';
import { copyFailureOf } from './copy-error.ts';
import type {
  CopyFailure,
  CopyOptions,
  CopyThreadOptions,
  FinishOptions,
  FromCoordinator,
  ToCoordinator,
} from './copy-messages.ts';
import { FramePool } from './frame-pool.ts';
import type { SinceParent } from './partial-file.ts';
import { readControlFile } from './read-control-file.ts';
import { surveyFiles } from './survey-files.ts';

const { jobs, level } = workerData as CopyThreadOptions;
const pool = new FramePool({
  threads: jobs,
  level,
  onResult: (result) => copy?.enter(result),
  onFailure: failed,
});
let copy: CoordinatedCopy | undefined;
let lengths: SinceParent['lengths'] | undefined;
const ending = Promise.withResolvers<FinishOptions>();

onTask(
  (message: ToCoordinator) => {
    if (message.type === 'survey') report(survey(message.options));
    else if (message.type === 'begin') report(run(message.options));
    else ending.resolve(message.ending);
  },
  () => void leave(),
);

// An uncaught exception must not end this thread. The end of this thread would also end the frame threads in the
// middle of their work (system/threads.ts).
process.on('uncaughtException', fail);

async function survey(options: Parameters<typeof surveyFiles>[0]): Promise<void> {
  const { parent, ...found } = await surveyFiles(options);
  if (typeof parent === 'object') lengths = parent.lengths;
  pool.growFor(typeof parent === 'object' ? parent.wholeBytes : found.bytes);
  tell({
    type: 'surveyed',
    result: { ...found, parent: typeof parent === 'object' ? { wholeBytes: parent.wholeBytes } : parent },
  });
}

async function run(options: CopyOptions): Promise<void> {
  const { dataDirectory, startLsn, expectedBytes } = options;
  pool.growFor(expectedBytes);
  const control = parseControlFile(await readControlFile(dataDirectory));
  const { checksums, blockSize } = control;
  pool.pages = checksums ? { blockSize, startLsn: parseLsn(startLsn) } : undefined;
  copy = new CoordinatedCopy(options, { pool, control, lengths }, tell);
  await copy.copy();
  await copy.finish(await ending.promise);
}

function report(work: Promise<unknown>): void {
  work.catch(fail);
}

function tell(message: FromCoordinator): void {
  parentPort?.postMessage(message);
}

function fail(error: unknown): void {
  failed(copyFailureOf(error));
}

function failed(failure: CopyFailure): void {
  copy?.endProgress();
  tell({ type: 'failed', failure });
}

/** Ends the thread, which may be waiting for a message that will never come. */
async function leave(): Promise<void> {
  await pool.close().catch(() => undefined);
  process.exit();
}
