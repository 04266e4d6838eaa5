/** A thread that makes frames: reads, checks, compresses, and writes them to their place. */
import { parentPort, workerData } from 'node:worker_threads';
import { constants, zstdCompressSync } from 'node:zlib';
import { releaseBuffer } from '../../repository/release-buffer.ts';
import { writeAt } from '../../repository/write-at.ts';
import { CopyError, failureOf } from './copy-error.ts';
import { FrameBuilder } from './frame-builder.ts';
import type { FrameResult, FrameTask, FromThread, ThreadOptions } from './messages.ts';
import { Turns } from './turns.ts';

const options = workerData as ThreadOptions;
const builder = new FrameBuilder(options.pages);
const turns = new Turns(options.turns);

/** Compressed, until the frames before it are placed: meanwhile there is the next one to make. */
let waiting:
  { task: FrameTask; frame: Buffer; made: Pick<FrameResult, 'size' | 'contents' | 'damaged'> } | undefined;

parentPort?.on('message', (task: FrameTask) => {
  tell(() => make(task));
  if (waiting !== undefined) setImmediate(() => tell(write));
});

function tell(work: () => void): void {
  try {
    work();
  } catch (error) {
    parentPort?.postMessage({ failure: failureOf(error) } satisfies FromThread);
  }
}

function make(task: FrameTask): void {
  const { bytes, contents, damaged } = builder.build(task.parts);
  writeIfNext();
  const frame = compress(bytes);
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
  try {
    writeAt(fd, frame, offset);
  } catch (error) {
    throw CopyError.writing('the backup', error);
  }
  releaseBuffer(frame);
  parentPort?.postMessage({ result: { number, offset, length, ...made } } satisfies FromThread);
}

/** In one call with room for all of it, so that zstd notes the size in the frame. */
function compress(bytes: Buffer): Buffer {
  return zstdCompressSync(bytes, {
    chunkSize: bytes.length + (bytes.length >>> 8) + 1024,
    params: {
      [constants.ZSTD_c_compressionLevel]: options.level,
      [constants.ZSTD_c_checksumFlag]: 1,
      [constants.ZSTD_c_contentSizeFlag]: 1,
    },
  });
}
