/** The messages between the threads of a copy. Sending a message clones the message. */
import type { RepositoryBackup } from '../../repository/repository-backup.ts';
import type { TarMember } from '../../repository/tar.ts';
import type { BlockChanges } from '../../postgres/block-changes.ts';
import type { PageRules } from '../../postgres/page-checksum.ts';
import type { ParentLists } from './parent-lengths.ts';

/** A message from the worker to the coordinator. */
export type ToCoordinator =
  | { type: 'survey'; options: SurveyOptions }
  /** After pg_backup_start has returned, and when it is known what has changed. */
  | { type: 'begin'; options: CopyOptions }
  /** After pg_backup_stop has returned. */
  | { type: 'finish'; ending: FinishOptions };

/** The workerData of the coordinator: what the frame threads of a copy are started with. */
export interface CopyThreadOptions {
  /** Threads that read and compress at the same time. */
  jobs: number;
  /** zstd compression level. */
  level: number;
}

/** The copy to make. */
export interface CopyOptions {
  dataDirectory: string;
  startLsn: string;
  /** The existing directory for the tars and the manifest. */
  output: string;
  /** The path of `output` for messages; undefined: the same as `output`. */
  outputShown?: string;
  /** The server's major version. */
  major: number;
  systemIdentifier: string;
  /** The sum of the sizes of the files, as far as known. Bytes. */
  expectedBytes: number;
  /** Bytes of files per second; undefined: no limit. */
  rateLimit: number | undefined;
  /** Whether a page with a wrong checksum fails the copy or only gives a warning. */
  onDamagedPage: 'warn' | 'fail';
  /** What has changed since the parent whose lists the survey has read; undefined: a full copy. */
  changes: BlockChanges | undefined;
}

/** What is looked at before a copy. */
export interface SurveyOptions {
  dataDirectory: string;
  /** The server's major version. */
  major: number;
  /** The lists of the parent of an incremental copy, which are read as well; undefined: a full copy. */
  parent: ParentLists | undefined;
}

/** What the survey has found out by the lists of a parent. */
export interface SurveyedParent {
  /** The sum of the sizes of the files that are copied whole in any case. Bytes. */
  wholeBytes: number;
}

/** What the survey has found. */
export interface SurveyResult {
  /** The sum of the sizes of all files to copy. */
  bytes: number;
  /** The parent's part; a string: why its lists cannot be used; undefined: there is no parent. */
  parent: SurveyedParent | string | undefined;
}

/** The message to the coordinator after pg_backup_stop has returned. */
export interface FinishOptions {
  label: Uint8Array;
  /** null: pg_backup_stop returned no tablespace_map. */
  tablespaceMap: Uint8Array | null;
  timeline: number;
  stopLsn: string;
}

/** A finished copy, in the words of backup.json. */
export interface CopySummary extends Pick<
  RepositoryBackup,
  | 'checksums'
  | 'blockSize'
  | 'walSegmentSize'
  | 'relationSegmentBlocks'
  | 'bytes'
  | 'files'
  | 'tars'
  | 'tablespaces'
  | 'damagedPages'
  | 'manifestCrc32c'
  | 'framesCrc32c'
> {
  /** The size of backup_manifest. */
  manifestBytes: number;
  /** Of lengths.jsonl; undefined: a full copy. */
  lengthsCrc32c: number | undefined;
}

/** A message from the coordinator to the worker. */
export type FromCoordinator =
  | { type: 'surveyed'; result: SurveyResult }
  | { type: 'progress'; expected: number; done: number }
  | { type: 'warning'; text: string }
  /** Everything but backup_label is in the tars. */
  | { type: 'copied' }
  | { type: 'finished'; summary: CopySummary }
  | { type: 'failed'; failure: CopyFailure };

/** The description of an error in a thread of a copy. */
export interface CopyFailure {
  /** Whether reading the cluster, writing the repository, or a damaged page failed the copy. */
  side: 'read' | 'write' | 'damage' | 'other';
  /** Error code of the operating system, such as ENOSPC; undefined: none. */
  code: string | undefined;
  message: string;
}

/** The workerData of a frame thread. */
export interface ThreadOptions {
  /** zstd compression level. */
  level: number;
  /** The shared memory of the frame order (frame-order.ts). */
  turns: SharedArrayBuffer;
}

/** The content of one frame, sent to a frame thread. */
export interface FrameTask {
  /** Frames are placed in the order of these numbers, which are counted across all tars. */
  number: number;
  /** File descriptor of the tar, which all threads of the process share. */
  fd: number;
  /** Whether the frame is the first frame of the tar. */
  startsTar: boolean;
  /** undefined: the cluster has no data checksums. */
  pages: PageRules | undefined;
  parts: FrameItem[];
}

/** A part of a frame: a tar header, data, or both. */
export interface FrameItem {
  /** The tar header before the data. */
  member?: TarMember;
  data?: FrameItemData;
}

/** The data of a part. */
export type FrameItemData =
  /** A file that fits into the frame. A file that has vanished is left out together with its header. */
  | { kind: 'file'; source: string; owner?: number | undefined; size: number; firstBlock: number | undefined }
  /** A piece of an open file. tar padding follows the last piece of a file. */
  | ({ kind: 'piece'; at: number; size: number; padding: number; firstBlock: number | undefined } & OpenFile)
  /** A partial file, or a piece of one. It is left out like a whole file that has vanished. */
  | ({ kind: 'blocks' } & FrameBlocks)
  | { kind: 'bytes'; bytes: Uint8Array };

/** An open file, and its path for messages. */
export interface OpenFile {
  fd: number;
  source: string;
}

/** Blocks of a file, behind each other. */
export interface FrameBlocks {
  /** A path, or an open file. */
  file: { source: string; owner: number | undefined } | OpenFile;
  /** Bytes in front of the blocks. */
  header: Uint8Array;
  /** The numbers of the blocks, ascending, counted from the beginning of the file. */
  blocks: Uint32Array;
  blockSize: number;
  /** Block number in the relation of the first block of the file. */
  firstBlock: number;
  /** tar padding behind the blocks. Bytes. */
  padding: number;
}

/** A frame that has been written. Sizes and offsets are in bytes. */
export interface FrameResult {
  number: number;
  /** Where the frame begins in the tar file. */
  offset: number;
  /** Compressed size. */
  length: number;
  /** Uncompressed size. */
  size: number;
  /** One entry for each part with data; null: the file had vanished. */
  contents: ({ size: number; crc32c: number } | null)[];
  /** Damaged blocks, with the index of the part in the task. */
  damaged: { part: number; block: number }[];
}

/** A message from a frame thread to the coordinator. */
export type FromThread = { result: FrameResult } | { failure: CopyFailure };
