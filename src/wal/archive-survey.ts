/**
 * Surveys a WAL archive repeatedly, and returns the content of the archive where it has changed. Only directories
 * with a new modification time are read again.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import type { ArchivedRun } from '../control/archived-wal.ts';
import { formatLsn, parseLsn } from '../postgres/lsn.ts';
import { historyFile, lostHistories, parseHistoryFile, type Ancestor } from '../postgres/timeline-history.ts';
import { parseSegmentName, segmentName } from '../postgres/wal-segment.ts';
import { readIdentity } from '../repository/cluster-identity.ts';
import { continuationsOf, isPartialOnly, whatIsPartial } from '../repository/partial-segment.ts';
import { BackupChains } from '../repository/backup-chain.ts';
import { readCatalog, type StoredBackup } from '../repository/catalog.ts';
import {
  archivedPath,
  segmentsIn,
  timelineHistories,
  walDirectory,
  walLogs,
} from '../repository/wal-archive.ts';
import { ChainSurvey } from './chain-survey.ts';
import { archivedRunsOf, type ArchivedSegmentRun } from './archived-runs.ts';
import { readSmallFile } from '../system/small-file.ts';

/** Milliseconds for which the modification time of a directory may not show a change yet. */
const clockGranularity = 1000;
/**
 * Milliseconds for which a gap may still be filled: a segment that was pushed ahead may be archived before the
 * segment that the archiver is archiving.
 */
const fresh = 60_000;

/** The content of an archive. */
export interface SurveyedArchive {
  /** The system whose WAL the archive has. */
  systemIdentifier: string;
  runs: ArchivedRun[];
}

/** Surveys the archive of one cluster; keeps the listings and verdicts between two surveys. */
export class ArchiveSurvey {
  readonly #clusterDirectory: string;
  readonly #chain: ChainSurvey;
  readonly #logs = new Map<string, { time: number; names: string[] }>();
  readonly #histories = new Map<number, Ancestor[]>();
  /** The problems that the last survey found. */
  problems: string[] = [];
  #said = '';

  constructor(clusterDirectory: string) {
    this.#clusterDirectory = clusterDirectory;
    this.#chain = new ChainSurvey(clusterDirectory);
  }

  /** Surveys the archive. Returns undefined where nothing has changed, and where there is no archive. */
  async look(): Promise<SurveyedArchive | undefined> {
    const identity = await readIdentity(this.#clusterDirectory);
    if (identity === undefined) return undefined;
    const { systemIdentifier, walSegmentSize } = identity;
    const names = await this.#segments();
    this.problems = [];
    await this.#readHistories();
    // A damaged backup, or one with a broken chain, opens no recovery window, and does not hide another backup.
    const catalog = await readCatalog(this.#clusterDirectory);
    this.problems.push(...catalog.damaged.map(({ problem }) => problem));
    const chains = new BackupChains(catalog);
    const backups = catalog.backups.filter((backup) => chains.of(backup).broken === undefined);
    const settled = await this.#withoutFreshHoles(names, walSegmentSize);
    const byName = archivedRunsOf(settled, this.#histories, walSegmentSize);
    const broken = await this.#chain.look(byName, this.#histories, walSegmentSize);
    // Nothing leads here to the first timeline from another one: archiving came later, or what was before has expired.
    const timelines = [...byName, ...catalog.backups.map(({ description }) => description)];
    const first = timelines.reduce((least, { timeline }) => Math.min(least, timeline), Infinity);
    const lost = lostHistories(Number.isFinite(first) ? first + 1 : 2, names, this.#histories);
    this.problems.push(
      ...lost.map(({ timeline, trace }) => `there is ${trace}, but not ${historyFile(timeline)}`),
      ...broken.values(),
      ...this.#chain.problems,
    );
    this.problems.push(...(await this.#partial(byName, walSegmentSize)));
    const runs = archivedRunsOf(settled, this.#histories, walSegmentSize, broken);
    // Recovery gets no further than the first lost history file.
    const beyond = runs.findIndex(({ timeline }) => timeline >= (lost[0]?.timeline ?? Infinity));
    const lostBefore = (at: number) => (at === beyond ? lost[0]?.timeline : undefined);
    const archive: SurveyedArchive = {
      systemIdentifier,
      runs: await Promise.all(
        runs.map((run, at) => this.#describe(run, walSegmentSize, backups, lostBefore(at))),
      ),
    };
    const said = JSON.stringify(archive);
    if (said === this.#said) return undefined;
    this.#said = said;
    return archive;
  }

  /**
   * Makes the next survey return the archive even if nothing has changed. Called where the last result could not be
   * delivered.
   */
  forget(): void {
    this.#said = '';
  }

  /**
   * Lists segments that the archive has as .partial only, where no history file says that a timeline branched off
   * within the segment.
   */
  async #partial(runs: readonly ArchivedSegmentRun[], segmentSize: number): Promise<string[]> {
    const found: string[] = [];
    for (const { timeline, to } of runs) {
      const segment = segmentName({ timeline, number: to + 1n }, segmentSize);
      if (continuationsOf(segment, this.#histories, segmentSize).length > 0) continue;
      if (await isPartialOnly(this.#clusterDirectory, segment))
        found.push(
          whatIsPartial({ segment, clusterDirectory: this.#clusterDirectory, continuation: undefined }),
        );
    }
    return found;
  }

  async #segments(): Promise<string[]> {
    const logs = await walLogs(this.#clusterDirectory);
    for (const gone of [...this.#logs.keys()].filter((log) => !logs.includes(log))) this.#logs.delete(gone);
    for (const log of logs) {
      const { mtimeMs } = await stat(join(walDirectory(this.#clusterDirectory), log));
      if (this.#logs.get(log)?.time === mtimeMs) continue;
      const names = await segmentsIn(this.#clusterDirectory, log);
      const settled = Date.now() - mtimeMs > clockGranularity;
      this.#logs.set(log, { time: settled ? mtimeMs : Number.NaN, names });
    }
    return logs.flatMap((log) => this.#logs.get(log)?.names ?? []);
  }

  /** Reads all of them, because one may have been lost, damaged or replaced since the last survey. */
  async #readHistories(): Promise<void> {
    this.#histories.clear();
    for (const name of await timelineHistories(this.#clusterDirectory)) {
      const timeline = Number.parseInt(name.slice(0, 8), 16);
      const path = archivedPath(this.#clusterDirectory, name);
      try {
        this.#histories.set(timeline, parseHistoryFile(path, await readSmallFile(path)));
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error;
        this.problems.push(messageOf(error));
        this.#histories.set(timeline, []); // the parent timeline is unknown
      }
    }
  }

  /**
   * Leaves out the segments of a timeline behind a gap, where the segment right behind the gap has just been
   * archived.
   */
  async #withoutFreshHoles(names: readonly string[], segmentSize: number): Promise<string[]> {
    const kept: string[] = [];
    let previous: { timeline: number; number: bigint } | undefined;
    let waiting: number | undefined;
    for (const name of names) {
      const segment = parseSegmentName(name, segmentSize);
      const { timeline, number } = segment;
      const hole = previous?.timeline === timeline && number !== previous.number + 1n;
      if (previous?.timeline !== timeline) waiting = undefined;
      // A time in the future says nothing about how long the segment has been there.
      if (hole && Math.abs(Date.now() - (await this.#archivedAt(name)).getTime()) < fresh) waiting = timeline;
      if (waiting === timeline) continue;
      kept.push(name);
      previous = segment;
    }
    return kept;
  }

  async #archivedAt(name: string): Promise<Date> {
    return (await stat(archivedPath(this.#clusterDirectory, name))).mtime;
  }

  async #describe(
    run: ArchivedSegmentRun,
    segmentSize: number,
    backups: readonly StoredBackup[],
    lost: number | undefined,
  ): Promise<ArchivedRun> {
    const size = BigInt(segmentSize);
    const { timeline, from, to, missing, follows } = run;
    const name = (number: bigint) => segmentName({ timeline, number }, segmentSize);
    const history = lost === undefined ? null : historyFile(lost);
    // A copy brings its own WAL, so the run has to begin no later than right behind the copy's last segment.
    const oldest = backups.find(
      ({ description: { timeline: of, stopWal, stopLsn } }) =>
        of === timeline &&
        parseSegmentName(stopWal, segmentSize).number + 1n >= from &&
        parseLsn(stopLsn) <= (to + 1n) * size,
    )?.description;
    return {
      timeline,
      startWal: name(from),
      endWal: name(to),
      startLsn: formatLsn(from * size),
      endLsn: formatLsn((to + 1n) * size),
      lastArchivedAt: await this.#archivedAt(name(to)),
      missingFrom: missing ? segmentName(missing.from, segmentSize) : history,
      missingTo: missing ? segmentName(missing.to, segmentSize) : history,
      followsTimeline: follows?.timeline ?? null,
      followsWal: follows
        ? segmentName({ timeline: follows.timeline, number: follows.from }, segmentSize)
        : null,
      switchLsn: follows ? formatLsn(follows.switchLsn) : null,
      restorableFrom: oldest ? new Date(oldest.stoppedAt) : null,
      restorableFromLsn: oldest?.stopLsn ?? null,
      firstArchivedAt: await this.#archivedAt(name(from)),
      broken: run.broken ?? null,
    };
  }
}
