/** A thread that decompresses frames, checks the content, and writes files and directories. */
import { mkdirSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import { crc32c } from '../postgres/crc32c.ts';
import type { FrameEntry } from '../repository/frame-index.ts';
import { keepFreedMemory } from '../system/keep-freed-memory.ts';
import { releaseBuffer } from '../system/release-buffer.ts';
import { onTask } from '../system/threads.ts';
import { bytePathBelow } from '../system/byte-path.ts';
import { FrameFiles } from './frame-file.ts';
import { contentsOf } from './frame-chunks.ts';
import { safeName } from './member-names.ts';
import {
  manifestPath,
  type ExtractionAnswer,
  type ExtractedFile,
  type ExtractionTask,
  type ThreadSetup,
} from './extraction-messages.ts';
import { writeChunk } from './write-chunks.ts';

keepFreedMemory();
const { directory, roots, kept, withheld, owner, major } = workerData as ThreadSetup;
const files = new FrameFiles(directory);

onTask(({ number, frame }: ExtractionTask) => parentPort?.postMessage(answer(number, frame)));

function answer(number: number, frame: FrameEntry): ExtractionAnswer {
  try {
    return { number, extracted: extract(frame) };
  } catch (error) {
    // Errors of system calls concern the disk; all others concern the backup.
    return { number, problem: messageOf(error), system: 'syscall' in (error as object) };
  }
}

function extract(frame: FrameEntry): ExtractedFile {
  const bytes = files.read(frame);
  try {
    return extractFrom(bytes, frame);
  } finally {
    releaseBuffer(bytes);
  }
}

function extractFrom(bytes: Buffer, frame: FrameEntry): ExtractedFile {
  const { tar } = frame;
  const { directories, pieces } = contentsOf(bytes, frame);
  const extracted: ExtractedFile = { parts: [], directories: [], kept: [] };
  const root = roots?.[tar];
  for (const header of directories) {
    const path = safeName(tar, header.name.replace(/\/+$/, ''), major);
    extracted.directories.push({ path, header });
    if (root !== undefined) mkdirSync(bytePathBelow(root, path), { recursive: true, mode: 0o700 });
  }
  for (const piece of pieces) {
    const path = manifestPath(tar, safeName(tar, piece.name, major));
    const { size, at, data } = piece;
    if (root !== undefined && !withheld.includes(path)) writeChunk(root, piece, owner);
    if (kept.includes(path)) extracted.kept.push({ path, at, bytes: new Uint8Array(data) });
    extracted.parts.push({ path, size, at, length: data.length, crc32c: crc32c(data) });
  }
  return extracted;
}
