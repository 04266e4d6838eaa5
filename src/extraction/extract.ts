/** Extracts a backup, by several threads, and holds every file against backup_manifest. */
import { HoldfastError } from '../errors.ts';
import type { FrameEntry } from '../repository/frame-index.ts';
import type { Manifest } from '../postgres/read-manifest.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { ManifestChecker } from './manifest-checker.ts';
import type { ExtractionAnswer, ExtractedFile, FileChunk, ThreadSetup } from './extraction-messages.ts';
import { inThreads } from './extraction-threads.ts';

export interface Extraction extends Pick<ThreadSetup, 'roots' | 'kept' | 'withheld' | 'owner'> {
  backup: StoredBackup;
  frames: readonly FrameEntry[];
  /** undefined: it is damaged, and what is in the frames is checked as far as it goes. */
  manifest: Manifest | undefined;
  jobs: number;
  /** Bytes of the tars, decompressed. */
  onProgress: (done: number, expected: number) => void;
  /** Part of a file, and whether it makes that file whole. */
  onPart: (part: FileChunk, isComplete: boolean) => void;
  /** What is wrong with the backup. Where this throws, the extraction ends. */
  onProblem: (problem: string) => void;
}

export interface ExtractionOutcome {
  /** The contents of the files asked for, as far as they are there. */
  kept: Map<string, Buffer>;
  /** By the path that they have in the manifest's files. */
  directories: (ExtractedFile['directories'][number] & { tar: string })[];
}

/** @throws HoldfastError `restore_failed` where the disk fails */
export async function extract(extraction: Extraction): Promise<ExtractionOutcome> {
  const { backup, frames, manifest, jobs, roots, kept, withheld, owner, onProblem } = extraction;
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
    const tooLarge = keep(outcome.kept, answer.extracted.kept);
    if (tooLarge !== undefined) onProblem(`"${tooLarge}" is larger than such a file can be`);
    for (const directory of answer.extracted.directories)
      outcome.directories.push({ ...directory, tar: frame.tar });
    done += frame.size;
    extraction.onProgress(done, expected);
  };

  const tasks = frames.map((frame, number) => ({ number, frame }));
  const { directory, description } = backup;
  const major = Number.parseInt(description.serverVersion, 10);
  await inThreads(jobs, { directory, roots, kept, withheld, owner, major }, tasks, receive);
  for (const problem of ledger.missing()) onProblem(problem);
  return outcome;
}

/** Bytes: tablespace_map is the largest of them. */
const largestKept = 16 << 20;

/** Small files, whose parts come in any order. Returns the path of one that is not small. */
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
