/**
 * The private PostgreSQL server that a drill starts on the restored files. The server is shut down
 * immediately, without a checkpoint, because the files are removed afterwards.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants, type Stats } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError, messageOf } from '../errors.ts';
import { parseControlFile, type ControlFile } from '../postgres/pg-control.ts';
import { greaterParameters, type RequiredParameters } from '../postgres/required-parameters.ts';
import { runAs } from '../system/run-as.ts';
import { ownershipOf, writeOwned } from '../recovery/owned-files.ts';
import { recoverySettings, settingLines, type RecoveryChoice } from '../recovery/recovery-settings.ts';
import { explainServer, refuseUnreached } from './server-log.ts';
import type { ScratchIdentity, ScratchDirectory } from './scratch.ts';
import { drillServerHba, drillServerSettings } from './drill-server-settings.ts';
import { endServer } from './leftover-server.ts';
import { readSmallFile } from '../system/small-file.ts';

/** The restored files and the recovery of the server. */
export interface DrillServerOptions {
  scratch: ScratchDirectory;
  /** The directory that contains `postgres`. */
  programs: string;
  major: number;
  recovery: RecoveryChoice;
  preload: string;
  /**
   * The largest settings of the primary in the WAL after the backup; undefined if no setting has changed
   * since.
   */
  required: RequiredParameters | undefined;
  /** An abort ends the wait for recovery. The caller ends the server. */
  signal: AbortSignal;
  /** Reports the last segment that recovery has restored. */
  onSegment: (segment: string) => void;
}

/** A private server and its process. */
export class DrillServer {
  readonly #options: DrillServerOptions;
  readonly control: ControlFile;
  readonly #identity: ScratchIdentity | undefined;
  #process: ChildProcess | undefined;
  #ended: Promise<unknown> | undefined;

  private constructor(
    options: DrillServerOptions,
    control: ControlFile,
    identity: ScratchIdentity | undefined,
  ) {
    this.#options = options;
    this.control = control;
    this.#identity = identity;
  }

  /**
   * Configures the server on the restored files, without starting the server.
   * @throws HoldfastError `server_owner_is_root`
   */
  static async prepare(options: DrillServerOptions): Promise<DrillServer> {
    const { scratch, major, preload, recovery } = options;
    const control = parseControlFile(await readSmallFile(join(scratch.data, 'global/pg_control')));
    const owned = await ownershipOf(join(scratch.data, 'PG_VERSION'));
    if (owned.owner?.uid === 0) throw ownerIsRoot();
    const files = { hbaFile: join(scratch.directory, 'pg_hba.conf'), identFile: '/dev/null' };
    const required = greaterParameters(control.required, options.required ?? control.required);
    const settings = drillServerSettings({
      major,
      control,
      required,
      sockets: scratch.sockets,
      preload,
      ...files,
    });
    await writeOwned(files.hbaFile, Buffer.from(drillServerHba), owned);
    await writeOwned(configFile(scratch), Buffer.from(settingLines(settings)), owned);
    // Replaces postgresql.auto.conf, because settings of ALTER SYSTEM would override the configuration.
    const ofRecovery = settingLines(recoverySettings(recovery));
    await writeOwned(join(scratch.data, 'postgresql.auto.conf'), Buffer.from(ofRecovery), owned);
    await rm(join(scratch.data, 'standby.signal'), { force: true });
    await writeOwned(scratch.log, Buffer.alloc(0), { ...owned, fileMode: 0o600 });
    // Root writes no file in the directory from now on: the server's user could replace a file by a link.
    await scratch.giveTo(owned.owner);
    return new DrillServer(options, control, owned.owner);
  }

  /**
   * Starts the server. Resolves when recovery has ended and the server accepts connections.
   * @throws HoldfastError `recovery_failed`, `target_not_reached`, `no_room`, `no_server_programs`
   */
  async start(): Promise<void> {
    const { signal, scratch, recovery } = this.#options;
    await this.#spawn();
    for (;;) {
      signal.throwIfAborted();
      if (this.#hasEnded) throw explainServer(await this.log());
      if ((await this.#status()) === 'ready') break;
      this.#options.onSegment(await this.#said(scratch.log, lastSegment));
      await sleep(100);
    }
    if (recovery.target.kind !== 'latest') refuseUnreached(await this.log());
  }

  /** The content of the server's log. */
  log(): Promise<string> {
    return this.#said(this.#options.scratch.log, (file) => file.readFile('utf8'));
  }

  get #hasEnded(): boolean {
    return (
      this.#process === undefined || this.#process.exitCode !== null || this.#process.signalCode !== null
    );
  }

  /** Shuts the server down immediately. */
  async end(): Promise<void> {
    if (!this.#hasEnded) this.#process?.kill('SIGQUIT');
    await Promise.race([this.#ended, sleep(10_000, undefined, { ref: false })]);
    await endServer(this.#options.scratch.data);
  }

  async #spawn(): Promise<void> {
    const { scratch, programs } = this.#options;
    const { O_WRONLY, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants;
    const log = await open(scratch.log, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK);
    try {
      // The directory is the server's user's by now, who might have linked a file of another user there.
      if (!this.#isIts(await log.stat()))
        throw new HoldfastError('failed', `"${scratch.log}" has been replaced by another file`, {
          code: 'drill_directory_unusable',
          hint: 'see which process of the user that owns the restored files changes files in drill directories',
        });
      const program = join(programs, 'postgres');
      const child = spawn(program, ['-D', scratch.data, '-c', `config_file=${configFile(scratch)}`], {
        cwd: scratch.directory,
        env: environment(),
        // Ctrl-C must reach Holdfast only, which ends the server.
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
        ...runAs(this.#identity),
      });
      this.#ended = once(child, 'exit').catch(() => undefined);
      await once(child, 'spawn').catch((error: unknown) => {
        throw new HoldfastError('failed', `"${program}" cannot be started: ${messageOf(error)}`, {
          code: 'no_server_programs',
          hint: 'let the user that owns the restored files run it, and enter the drill directory',
          cause: error,
        });
      });
      this.#process = child;
    } finally {
      await log.close();
    }
  }

  /**
   * Reads a file that the server wrote. The result is empty if the file does not belong to the server's user,
   * or is a link: the server's user might have linked to a file that only root may read.
   */
  async #said(path: string, read: (file: FileHandle) => Promise<string>): Promise<string> {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => undefined);
    try {
      return file !== undefined && this.#isIts(await file.stat()) ? await read(file) : '';
    } catch {
      return '';
    } finally {
      await file?.close();
    }
  }

  /** Whether a file is one that the server's user has, under one name only. */
  #isIts(found: Stats): boolean {
    return found.isFile() && found.nlink === 1 && found.uid === this.#uid;
  }

  get #uid(): number {
    return this.#identity?.uid ?? process.geteuid?.() ?? 0;
  }

  /** The state of the server in line 8 of postmaster.pid. */
  async #status(): Promise<string> {
    const path = join(this.#options.scratch.data, 'postmaster.pid');
    const file = await this.#said(path, (opened) => opened.readFile('utf8'));
    const lines = file.split('\n').map((line) => line.trim());
    return Number(lines[0]) === this.#process?.pid ? (lines[7] ?? '') : '';
  }
}

function configFile(scratch: ScratchDirectory): string {
  return join(scratch.directory, 'postgresql.conf');
}

/**
 * The environment of the server, without variables that lead to another server or to the service manager of
 * the worker.
 */
function environment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(PG|HOLDFAST_|DATABASE_URL$|NOTIFY_SOCKET$|WATCHDOG_|LISTEN_|LC_|LANG)/.test(name),
  );
  // For "holdfast wal fetch", which gets all options from the command. The server's user may not be able to
  // read the configuration file of root.
  return { ...Object.fromEntries(inherited), LC_ALL: 'C', HOLDFAST_CONFIG: '/dev/null' };
}

async function lastSegment(log: FileHandle): Promise<string> {
  const { size } = await log.stat();
  const from = Math.max(0, size - 8192);
  const { buffer, bytesRead } = await log.read(Buffer.alloc(size - from), 0, size - from, from);
  const said = buffer.subarray(0, bytesRead).toString();
  return [...said.matchAll(/restored log file "([0-9A-F]{24})"/g)].at(-1)?.[1] ?? '';
}

function ownerIsRoot(): HoldfastError {
  return new HoldfastError('failed', 'the restored files belong to root, as whom PostgreSQL does not run', {
    code: 'server_owner_is_root',
    hint: 'run the drill as the user that PostgreSQL runs as',
  });
}
