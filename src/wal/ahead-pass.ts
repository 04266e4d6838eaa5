/**
 * One pass over the files of a data directory that wait for the archiver. Several lanes archive the files in order,
 * beside other processes that do the same.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { discardPrepared, placePrepared, type PreparedFile } from './push-segment.ts';
import {
  forgetRefusal,
  hasPushedMarker,
  isBusy,
  recordedRefusal,
  recordRefusalOf,
  settleMilliseconds,
  removeOldMarkers,
  serverHasStopped,
  withPushedMarker,
  type ArchiveDestination,
} from './pushed-markers.ts';
import { unknownWalWarning, type UnknownWalWarning } from './unknown-wal-warning.ts';
import { inSequence, isWaiting, waitingFiles } from './waiting-files.ts';

/** The data directory of a pass, and the destination. */
export interface PassOptions {
  walDirectory: string;
  target: ArchiveDestination;
  /** The number of files behind the first one. */
  ahead: number;
  /** Whether to archive a file behind which no other one waits. */
  alone: boolean;
  /** Whether to continue; asked before each file. */
  goOn: () => boolean | Promise<boolean>;
  onWarning?: (warning: UnknownWalWarning) => void;
}

type Prepare = (path: string) => Promise<PreparedFile>;

/** A file taken by a lane, and its place in the order. */
interface Turn {
  name: string;
  /** Rejects where the archive does not have the preceding file. */
  before: Promise<void>;
  /** Settled when the archive has this file under its name, or has not got it. */
  named: PromiseWithResolvers<void>;
}

// Milliseconds.
const pollEvery = 5;

/** Ends a pass without an error of the pass's own files. */
const passIsOver = new Error('the archive has not got the file before it');

/** The state shared by the lanes of a pass. */
export class AheadPass {
  readonly #options: PassOptions;
  readonly #taken = new Set<string>();
  /** The files that the last look has found, in order, without those taken since. */
  #found: string[] = [];
  /** `named` of the file taken last. */
  #last: Promise<void> = Promise.resolve();
  /** Lanes take files one after the other. */
  #taking: Promise<unknown> = Promise.resolve();
  #isOver = false;
  #failure: Error | undefined;
  #pushed = 0;

  constructor(options: PassOptions) {
    this.#options = options;
  }

  /**
   * Runs one lane until no file is left or the pass ends. `prepare` compresses a file and writes the archive's copy
   * under a temporary name.
   */
  async run(prepare: Prepare): Promise<void> {
    while (!this.#isOver && (await this.#options.goOn())) {
      const take = this.#taking.then(() => this.#take());
      this.#taking = take.catch(() => undefined);
      const turn = await take;
      if (turn === undefined) return;
      await this.#archive(turn, prepare);
    }
  }

  /** Returns the number of archived files. @throws the error of the first file that could not be archived */
  result(): number {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#pushed;
  }

  /**
   * Takes the next file without a marker, behind the files taken before; undefined where the pass has nothing to do.
   */
  async #take(): Promise<Turn | undefined> {
    if (this.#found.length === 0) this.#found = await this.#look();
    if (await this.#isRefused()) return undefined;
    const name = this.#found.shift();
    if (name === undefined) return undefined;
    this.#taken.add(name);
    const turn = { name, before: this.#last, named: Promise.withResolvers<void>() };
    this.#last = turn.named.promise;
    this.#last.catch(() => undefined); // no file may follow this one
    return turn;
  }

  /** Returns the files to archive, in order. */
  async #look(): Promise<string[]> {
    const { walDirectory, ahead, alone, target } = this.#options;
    const waiting = await waitingFiles(walDirectory);
    await removeOldMarkers(walDirectory, new Set(waiting));
    const sequence = await inSequence(walDirectory, waiting.slice(0, 1 + ahead));
    if (sequence.length < 2 && !alone) return []; // the archiver is archiving a single file and keeps up
    const found: string[] = [];
    for (const name of sequence)
      if (!this.#taken.has(name) && !(await hasPushedMarker(join(walDirectory, name), target)))
        found.push(name);
    return found;
  }

  async #isRefused(): Promise<boolean> {
    const { walDirectory } = this.#options;
    const refused = await recordedRefusal(walDirectory);
    if (refused === undefined) return false;
    if (isWaiting(walDirectory, refused)) return true;
    await forgetRefusal(walDirectory);
    return false;
  }

  async #archive(turn: Turn, prepare: Prepare): Promise<void> {
    const { name, before, named } = turn;
    const path = join(this.#options.walDirectory, name);
    try {
      if (await isBusy(path)) await this.#awaitOther(name, before);
      else await this.#archiveHere(path, turn, prepare);
      named.resolve();
    } catch (error) {
      const isPast =
        error !== passIsOver && error !== serverHasStopped && !isWaiting(this.#options.walDirectory, name);
      if (isPast) return void before.then(named.resolve, named.reject);
      this.#isOver = true;
      named.reject(passIsOver);
      if (error === passIsOver || error === serverHasStopped) return;
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      await recordRefusalOf(path);
    }
  }

  async #archiveHere(path: string, { before, named }: Turn, prepare: Prepare): Promise<void> {
    await settles(path);
    await withPushedMarker(path, this.#options.target, async () => {
      const prepared = await prepare(path);
      await before.catch(async () => {
        await discardPrepared(prepared);
        throw passIsOver;
      });
      await placePrepared(prepared, named.resolve);
      await this.#warn(prepared);
    });
    this.#pushed += 1;
  }

  async #warn({ path, unknownFormat }: PreparedFile): Promise<void> {
    const warning = unknownFormat === undefined ? undefined : await unknownWalWarning(path, unknownFormat);
    if (warning !== undefined) this.#options.onWarning?.(warning);
  }

  /**
   * Waits for another process that is archiving the file: "wal push", or another one that pushes ahead. That process may
   * be stopped, or wait for a disk that does not answer: then only `goOn` ends this.
   */
  async #awaitOther(name: string, before: Promise<void>): Promise<void> {
    const { walDirectory, target, goOn } = this.#options;
    const path = join(walDirectory, name);
    while (await isBusy(path)) {
      if (!(await goOn())) throw passIsOver;
      await sleep(pollEvery);
    }
    await before;
    if (isWaiting(walDirectory, name) && !(await hasPushedMarker(path, target))) throw passIsOver;
  }
}

async function settles(path: string): Promise<void> {
  const age = Date.now() - (await stat(path)).ctimeMs;
  if (age < settleMilliseconds) await sleep(settleMilliseconds - age);
}
