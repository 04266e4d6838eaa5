/**
 * Whether the segments of an archive lead to each other, looked at again and again: each pair is read once, and no more
 * than a few at a time, the newest first.
 */
import { stat } from 'node:fs/promises';
import { messageOf } from '../errors.ts';
import { spansTo, type Ancestor } from '../postgres/timeline-history.ts';
import { breakBetween, type SegmentLinks } from '../postgres/wal-chain.ts';
import { segmentName } from '../postgres/wal-segment.ts';
import { readCompressedFile } from '../repository/compressed-file.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import { readLinks } from '../postgres/segment-chain.ts';
import type { ArchivedSegmentRun } from './archived-runs.ts';

/** Pairs that are read at a look: decompressing takes a processor. */
const atALook = 16;
/** Segments of which the links are remembered, as the next pair may have them, too. */
const remembered = 64;

interface Pair {
  before: string;
  after: string;
}

interface Verdict {
  /** undefined: the one leads to the other. */
  reason: string | undefined;
  /** What was read: a break is gone when another file has taken the place of one. */
  files: string;
}

export class ChainSurvey {
  readonly #clusterDirectory: string;
  readonly #verdicts = new Map<string, Verdict>();
  readonly #links = new Map<string, SegmentLinks>();
  /** What the last look could not read. */
  problems: string[] = [];

  constructor(clusterDirectory: string) {
    this.#clusterDirectory = clusterDirectory;
  }

  /** Why the segment before each of these does not lead to it, as far as has been seen by now. */
  async look(
    runs: readonly ArchivedSegmentRun[],
    histories: ReadonlyMap<number, readonly Ancestor[]>,
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

  /** Files are put in the place of others: of broken pairs, and of the newest, which are looked at again. */
  async #isNew(pair: Pair, isYoung: boolean): Promise<boolean> {
    const known = this.#verdicts.get(pair.after);
    if (known === undefined) return true;
    return (isYoung || known.reason !== undefined) && known.files !== (await this.#filesOf(pair));
  }

  async #judge(
    { before, after }: Pair,
    histories: ReadonlyMap<number, readonly Ancestor[]>,
    segmentSize: number,
  ): Promise<void> {
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
    this.#links.delete(name); // to the end of the row
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

/** Those that follow each other, across a switch from the parent's timeline, too; the newest first. */
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
