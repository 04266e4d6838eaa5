/**
 * Checks repeatedly whether the WAL records of consecutive segments in an archive continue each other. Each pair is
 * read once, the newest first, and only a few pairs per survey.
 */
import { stat } from 'node:fs/promises';
import { messageOf } from '../errors.ts';
import { spansTo, type Histories } from '../postgres/timeline-history.ts';
import { breakBetween, type SegmentLinks } from '../postgres/wal-chain.ts';
import { segmentName } from '../postgres/wal-segment.ts';
import { readCompressedFile } from '../repository/compressed-file.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import { readLinks } from '../postgres/segment-chain.ts';
import type { ArchivedSegmentRun } from './archived-runs.ts';

/** Pairs read per survey: decompressing needs CPU time. */
const atALook = 16;
/**
 * Segments whose links are cached, because the next pair may need the same segment. Also the number of newest pairs
 * that are checked again after a file has changed.
 */
const remembered = 64;

interface Pair {
  before: string;
  after: string;
}

/** The result for a pair. */
interface Verdict {
  /** Why the pair is broken; undefined where the records continue. */
  reason: string | undefined;
  /** Identifies the files that were read. A pair is read again when a file has been replaced. */
  files: string;
}

/** Checks the pairs of one archive; keeps the results between two surveys. */
export class ChainSurvey {
  readonly #clusterDirectory: string;
  readonly #verdicts = new Map<string, Verdict>();
  readonly #links = new Map<string, SegmentLinks>();
  /** Segments that the last survey could not read. */
  problems: string[] = [];

  constructor(clusterDirectory: string) {
    this.#clusterDirectory = clusterDirectory;
  }

  /**
   * Checks new pairs, and returns the reasons of all broken pairs found so far. The key is the second segment of a
   * pair.
   */
  async look(
    runs: readonly ArchivedSegmentRun[],
    histories: Histories,
    segmentSize: number,
  ): Promise<Map<string, string>> {
    this.problems = [];
    const pairs = pairsOf(runs, segmentSize);
    const present = new Set(pairs.map(({ after }) => after));
    for (const gone of [...this.#verdicts.keys()].filter((after) => !present.has(after)))
      this.#verdicts.delete(gone);
    let left = atALook;
    for (const [at, pair] of pairs.entries()) {
      if (left > 0 && (await this.#isNew(pair, at < remembered))) {
        left -= 1;
        await this.#judge(pair, histories, segmentSize);
      }
    }
    const broken = [...this.#verdicts].map(([after, { reason }]) => [after, reason] as const);
    return new Map(broken.filter((one): one is [string, string] => one[1] !== undefined));
  }

  /**
   * Whether a pair has to be read. Files may be replaced: the newest pairs and the broken pairs are compared with the
   * files on the disk.
   */
  async #isNew(pair: Pair, isYoung: boolean): Promise<boolean> {
    const known = this.#verdicts.get(pair.after);
    if (known === undefined) return true;
    return (isYoung || known.reason !== undefined) && known.files !== (await this.#filesOf(pair));
  }

  async #judge({ before, after }: Pair, histories: Histories, segmentSize: number): Promise<void> {
    if (this.#verdicts.has(after)) for (const name of [before, after]) this.#links.delete(name);
    const files = await this.#filesOf({ before, after });
    try {
      const [one, other] = [await this.#read(before, segmentSize), await this.#read(after, segmentSize)];
      const timeline = Number.parseInt(after.slice(0, 8), 16);
      const isKnown = timeline === 1 || (histories.get(timeline) ?? []).length > 0;
      const spans = isKnown ? spansTo(timeline, histories) : undefined;
      this.#verdicts.set(after, { reason: breakBetween(one, other, spans), files });
    } catch (error) {
      if (error instanceof RangeError) this.#verdicts.set(after, { reason: error.message, files });
      else if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.problems.push(messageOf(error));
    }
  }

  async #read(name: string, segmentSize: number): Promise<SegmentLinks> {
    const path = archivedPath(this.#clusterDirectory, name);
    const links = this.#links.get(name) ?? (await readLinks({ name, path }, segmentSize, readCompressedFile));
    this.#links.delete(name); // moves the entry to the end of the map
    this.#links.set(name, links);
    const [oldest] = this.#links.keys();
    if (this.#links.size > remembered && oldest !== undefined) this.#links.delete(oldest);
    return links;
  }

  async #filesOf({ before, after }: Pair): Promise<string> {
    const signs = [before, after].map(async (name) => {
      const stats = await stat(archivedPath(this.#clusterDirectory, name)).catch(() => undefined);
      return `${stats?.ino} ${stats?.mtimeMs} ${stats?.size}`;
    });
    return (await Promise.all(signs)).join(' ');
  }
}

/** Returns the consecutive pairs, including a pair across a timeline switch, the newest first. */
function pairsOf(runs: readonly ArchivedSegmentRun[], segmentSize: number): Pair[] {
  const pairs: Pair[] = [];
  for (const { timeline, from, to, follows } of runs) {
    const name = (number: bigint, of = timeline) => segmentName({ timeline: of, number }, segmentSize);
    if (follows !== undefined && from > 0n)
      pairs.push({ before: name(from - 1n, follows.timeline), after: name(from) });
    for (let number = from + 1n; number <= to; number += 1n)
      pairs.push({ before: name(number - 1n), after: name(number) });
  }
  return pairs.toReversed();
}
