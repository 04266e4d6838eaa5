/**
 * The thread that makes frames: reads files, verifies pages, compresses the frame, and writes the frame to its
 * place in the tar.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { compressHere } from '../../repository/compressed-here.ts';
import { keepFreedMemory } from '../../system/keep-freed-memory.ts';
import { releaseBuffer } from '../../system/release-buffer.ts';
import { writeAt } from '../../system/write-at.ts';
import { onPreparedTask } from '../../system/prepared-tasks.ts';
import { CopyError, copyFailureOf } from './copy-error.ts';
import { FrameBuilder, type FrameBuffer } from './frame-builder.ts';
import type { FrameResult, FrameTask, FromThread, ThreadOptions } from './copy-messages.ts';
import { FrameOrder } from './frame-order.ts';

keepFreedMemory();
const options = workerData as ThreadOptions;
const turns = new FrameOrder(options.turns);
const builder = new FrameBuilder(undefined, () => turns.isOver);

/** A compressed frame that waits until all frames before are placed. Meanwhile the thread makes the next frame. */
let waiting:
  { task: FrameTask; frame: Buffer; made: Pick<FrameResult, 'size' | 'contents' | 'damaged'> } | undefined;

onPreparedTask<FrameTask, FrameBuffer>({
  prepare: (task) => builder.prepare(task.parts),
  work(task, prepared) {
    if (!turns.isOver) tell(() => make(task, prepared()));
  },
  onIdle: () => setImmediate(() => tell(write)),
});

function tell(work: () => void): void {
  try {
    work();
  } catch (error) {
    parentPort?.postMessage({ failure: copyFailureOf(error) } satisfies FromThread);
  }
}

function make(task: FrameTask, buffer: FrameBuffer): void {
  builder.pages = task.pages;
  const { bytes, contents, damaged } = builder.build(task.parts, buffer);
  writeIfNext();
  const frame = compressHere(bytes, options.level);
  write();
  waiting = { task, frame, made: { size: bytes.length, contents, damaged } };
  writeIfNext();
}

function writeIfNext(): void {
  if (waiting !== undefined && turns.isNext(waiting.task.number)) write();
}

function write(): void {
  if (waiting === undefined) return;
  const { task, frame, made } = waiting;
  const { number, fd, startsTar } = task;
  const { length } = frame;
  waiting = undefined;
  const offset = turns.place({ number, startsTar, length });
  if (offset === undefined) return;
  try {
    writeAt(fd, frame, offset);
  } catch (error) {
    throw CopyError.writing('the backup', error);
  }
  releaseBuffer(frame);
  parentPort?.postMessage({ result: { number, offset, length, ...made } } satisfies FromThread);
}
