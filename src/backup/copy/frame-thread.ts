/** A thread that makes frames: reads, checks, compresses, and writes them to their place. */
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { constants, zstdCompressSync } from 'node:zlib';
import { releaseBuffer } from '../../repository/release-buffer.ts';
import { CopyError, failureOf } from './copy-error.ts';
import { FrameBuilder } from './frame-builder.ts';
import type { FrameResult, FrameTask, FromThread, ThreadOptions } from './messages.ts';
import { Turns } from './turns.ts';

const options = workerData as ThreadOptions;
const builder = new FrameBuilder(options.pages);
const turns = new Turns(options.turns);

parentPort?.on('message', (task: FrameTask) => {
  parentPort?.postMessage(answer(task));
});

function answer(task: FrameTask): FromThread {
  try {
    return { result: make(task) };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

function make({ number, fd, startsTar, parts }: FrameTask): FrameResult {
  const { bytes, contents, damaged } = builder.build(parts);
  const frame = compress(bytes);
  const offset = turns.place({ number, startsTar, length: frame.length });
  try {
    for (let done = 0; done < frame.length;)
      done += writeSync(fd, frame, done, frame.length - done, offset + done);
  } catch (error) {
    throw CopyError.writing('the backup', error);
  }
  const length = frame.length;
  releaseBuffer(frame);
  return { number, offset, length, size: bytes.length, contents, damaged };
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
