/** Extracts a backup with several threads, and checks every file against backup_manifest. */
import { worthwhileThreads } from '../system/thread-pool.ts';
import { HoldfastError } from '../errors.ts';
import type { FrameEntry } from '../repository/frame-index.ts';
import type { Manifest } from '../postgres/read-manifest.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { ManifestChecker } from './manifest-checker.ts';
import type { ExtractionAnswer, ExtractedFile, FileChunk, ThreadSetup } from './extraction-messages.ts';
import { inThreads } from './extraction-threads.ts';
import { beginnings } from './incremental-pieces.ts';

/** The backup to extract, and the callbacks for the progress. */
export interface Extraction extends Pick<ThreadSetup, 'roots' | 'kept' | 'withheld' | 'owner' | 'layer'> {
  backup: StoredBackup;
  frames: readonly FrameEntry[];
  /**
   * undefined: the manifest is damaged. Then only the frames, and the sizes and positions of the files' parts, are
   * checked.
   */
  manifest: Manifest | undefined;
  /** The most threads: a small backup is not worth so many. */
  jobs: number;
  /** Called with bytes of decompressed tars: extracted so far, and in total. */
  onProgress: (done: number, expected: number) => void;
  /** Called for each part of a file; `isComplete`: whether the file is now complete. */
  onPart: (part: FileChunk, isComplete: boolean) => void;
  /** Called for each problem of the backup. An exception ends the extraction. */
  onProblem: (problem: string) => void;
}

/** The result of an extraction. */
export interface ExtractionOutcome {
  /** The contents of the files in `Extraction.kept`, as far as the backup has them. */
  kept: Map<string, Buffer>;
  /** The directories of the backup, with the path in the tar and the name of the tar. */
  directories: (ExtractedFile['directories'][number] & { tar: string })[];
}

/** Extracts a backup. @throws HoldfastError `restore_failed` where a system call fails */
export async function extract(extraction: Extraction): Promise<ExtractionOutcome> {
  const { backup, frames, manifest, jobs, roots, kept, withheld, owner, layer, onProblem } = extraction;
  const expected = frames.reduce((sum, { size }) => sum + size, 0);
  const ledger = new ManifestChecker(manifest);
  const outcome: ExtractionOutcome = { kept: new Map(), directories: [] };
  let done = 0;

  const receive = (answer: ExtractionAnswer) => {
    const frame = frames[answer.number];
    if (frame === undefined) return;
    const where = `${frame.tar}, the frame at ${frame.offset}`;
    if ('problem' in answer) {
      if (answer.system) throw diskFailed(`${where}: ${answer.problem}`);
      onProblem(`${where}: ${answer.problem}`);
      return;
    }
    for (const part of answer.extracted.parts) {
      const { complete, problem } = ledger.add(part);
      if (problem !== undefined) onProblem(problem);
      extraction.onPart(part, complete);
    }
    for (const { path, block } of answer.extracted.unsound)
      onProblem(`block ${block} of "${path}" does not have the checksum that its content has`);
    const tooLarge = keep(outcome.kept, answer.extracted.kept);
    if (tooLarge !== undefined) onProblem(`"${tooLarge}" is larger than such a file can be`);
    for (const directory of answer.extracted.directories)
      outcome.directories.push({ ...directory, tar: frame.tar });
    done += frame.size;
    extraction.onProgress(done, expected);
  };

  const begin = layer === undefined ? [] : beginnings(frames);
  const tasks = frames.map((frame, number) => ({ number, frame, first: begin[number] }));
  const { directory, description } = backup;
  const major = Number.parseInt(description.serverVersion, 10);
  await inThreads(
    worthwhileThreads(jobs, expected),
    { directory, roots, kept, withheld, owner, layer, major },
    tasks,
    receive,
  );
  for (const problem of ledger.missing()) onProblem(problem);
  return outcome;
}

/** Bytes. tablespace_map is the largest of the kept files. */
const largestKept = 16 << 20;

/** Adds parts of kept files, which may arrive in any order. Returns the path of a file that is too large. */
function keep(kept: ExtractionOutcome['kept'], parts: ExtractedFile['kept']): string | undefined {
  for (const { path, at, bytes } of parts) {
    if (at + bytes.length > largestKept) return path;
    const before = kept.get(path) ?? Buffer.alloc(0);
    const whole = Buffer.alloc(Math.max(before.length, at + bytes.length));
    before.copy(whole);
    whole.set(bytes, at);
    kept.set(path, whole);
  }
  return undefined;
}

function diskFailed(message: string): HoldfastError {
  return new HoldfastError('failed', message, {
    code: 'restore_failed',
    hint: 'see that there is room, and that the directories may be written and the repository be read by this user',
  });
}
