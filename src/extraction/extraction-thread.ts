/** A thread that decompresses frames, checks the content, and writes files and directories. */
import { mkdirSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import { crc32c } from '../postgres/crc32c.ts';
import { pathOfIncremental } from '../postgres/incremental-file.ts';
import type { FrameEntry } from '../repository/frame-index.ts';
import type { TarMember } from '../repository/tar.ts';
import { keepFreedMemory } from '../system/keep-freed-memory.ts';
import { releaseBuffer } from '../system/release-buffer.ts';
import { onPreparedTask } from '../system/prepared-tasks.ts';
import { bytePathBelow } from '../system/byte-path.ts';
import { decompressFrame, FrameFiles } from './frame-file.ts';
import { contentsOf, type ExtractedChunk } from './frame-chunks.ts';
import { IncrementalPieces, type BlockPieces } from './incremental-pieces.ts';
import { safeName } from './member-names.ts';
import {
  manifestPath,
  type ExtractionAnswer,
  type ExtractedFile,
  type ExtractionTask,
  type ThreadSetup,
} from './extraction-messages.ts';
import { unsoundBlocks } from './unsound-blocks.ts';
import { setLength, writeChunk } from './write-chunks.ts';

keepFreedMemory();
const { directory, roots, kept, withheld, owner, layer, major } = workerData as ThreadSetup;
const files = new FrameFiles(directory);
/** Whether no later link of a chain is extracted over this one. */
const isLast = layer?.isLast ?? true;
const incrementals = layer && new IncrementalPieces(files, layer.geometry);

onPreparedTask<ExtractionTask, Buffer>({
  prepare: ({ frame }) => files.readAhead(frame),
  work(task, compressed) {
    parentPort?.postMessage(answer(task, compressed));
  },
});

/** `compressed` returns the frame, or throws the error of reading. */
function answer({ number, frame, first }: ExtractionTask, compressed: () => Buffer): ExtractionAnswer {
  try {
    return { number, extracted: extract(compressed(), frame, first) };
  } catch (error) {
    // Errors of system calls concern the disk; all others concern the backup.
    return { number, problem: messageOf(error), system: 'syscall' in (error as object) };
  }
}

function extract(compressed: Buffer, frame: FrameEntry, first: FrameEntry | undefined): ExtractedFile {
  const bytes = decompressFrame(compressed, frame);
  try {
    return extractFrom(bytes, frame, first);
  } finally {
    releaseBuffer(bytes);
  }
}

function extractFrom(bytes: Buffer, frame: FrameEntry, first: FrameEntry | undefined): ExtractedFile {
  const { tar } = frame;
  const { directories, pieces } = contentsOf(bytes, frame);
  const extracted: ExtractedFile = { parts: [], directories: [], kept: [], unsound: [] };
  const root = roots?.[tar];
  extracted.directories.push(...makeDirectories(directories, tar, root));
  for (const piece of pieces) {
    const path = manifestPath(tar, safeName(tar, piece.name, major));
    const { size, at, data } = piece;
    const blocks = isIncremental(path) ? incrementals?.blocksOf(piece, tar, first) : undefined;
    const parts = blocks?.pieces ?? [piece];
    extracted.unsound.push(...unsoundIn(path, parts));
    if (root !== undefined && isWritten(path)) {
      for (const part of parts) writeChunk(root, part, owner);
      if (at === 0 && isLast) giveLength(root, blocks);
    }
    if (kept.includes(path)) extracted.kept.push({ path, at, bytes: new Uint8Array(data) });
    extracted.parts.push({ path, size, at, length: data.length, crc32c: crc32c(data) });
  }
  return extracted;
}

function makeDirectories(
  headers: readonly TarMember[],
  tar: string,
  root: string | undefined,
): ExtractedFile['directories'] {
  return headers.map((header) => {
    const path = safeName(tar, header.name.replace(/\/+$/, ''), major);
    if (root !== undefined && isLast) mkdirSync(bytePathBelow(root, path), { recursive: true, mode: 0o700 });
    return { path, header };
  });
}

/** A file of which the last link has blocks only is as long as that link says. */
function giveLength(root: string, blocks: BlockPieces | undefined): void {
  if (blocks !== undefined) setLength(root, blocks);
}

function isWritten(path: string): boolean {
  return !withheld.includes(path) && layer?.superseded.has(path) !== true;
}

function isIncremental(path: string): boolean {
  return pathOfIncremental(path) !== undefined;
}

function unsoundIn(path: string, parts: readonly ExtractedChunk[]): ExtractedFile['unsound'] {
  if (layer?.verifiedFrom === undefined) return [];
  const { geometry, verifiedFrom } = layer;
  const whole = pathOfIncremental(path) ?? path;
  return parts
    .flatMap((part) => unsoundBlocks(whole, part, geometry, verifiedFrom))
    .map((block) => ({ path: whole, block }));
}
