// A real PostgreSQL server for development and tests, from npm's binaries, in a directory of its own:
//
//   data/  archive/  socket/  server.log  archiving-fails (while it exists, archive_command fails)
//
// It never outlives the process that made it, however that ends, and leaves nothing behind unless it was asked to
// keep its directory.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { openSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../harness/eventually.ts';
import { findBinaries, usual, type Binaries, type Major } from './binaries.ts';
import { scratchDirectory } from './cache.ts';
import { freePort } from './ports.ts';
import { freeze, untilGone } from './processes.ts';
import { asServerUser, canEnter, serverIdentity } from './server-user.ts';
import { defaultSettings, settingLines, type Settings } from './settings.ts';
import { copyAsAnother, initialise, serverEnvironment } from './template.ts';
import { Watchdog } from './watchdog.ts';

export type { Major } from './binaries.ts';
export type { Settings } from './settings.ts';
export type StopMode = 'smart' | 'fast' | 'immediate';

export interface ClusterOptions {
  version?: Major;
  /** On top of the defaults in settings.ts. */
  settings?: Settings;
  /** Further arguments of initdb; the later one of two that contradict each other wins. */
  initdb?: string[];
  /** Replaces pg_hba.conf, line by line; default: everybody is trusted. */
  hba?: string[];
  /** Keep it here, whatever was in it before (a stopped cluster, or nothing), and leave it here at the end. */
  directory?: string;
  /** Leave the data directory empty, for the caller to restore something into. */
  empty?: boolean;
  /** The data directory of a server that was stopped, to begin with a copy of; instead of what initdb makes. */
  from?: string;
  port?: number;
  host?: string;
}

const signals = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

/** Makes a cluster, which is then to be started. */
export async function createCluster(options: ClusterOptions = {}): Promise<EmbeddedCluster> {
  const host = options.host ?? '127.0.0.1';
  const binaries = await findBinaries(options.version ?? usual);
  const port = options.port ?? (await freePort(host));
  const directory = options.directory ?? (await scratchDirectory());
  const cluster = new EmbeddedCluster(binaries, directory, host, port, options.directory !== undefined);
  try {
    await cluster.prepare(options);
  } catch (error) {
    await cluster.remove();
    throw error;
  }
  return cluster;
}

export class EmbeddedCluster {
  readonly version: Major;
  readonly directory: string;
  readonly dataDirectory: string;
  readonly archiveDirectory: string;
  /** Undefined where its path would be longer than a socket's may be. */
  readonly socketDirectory: string | undefined;
  readonly logFile: string;
  readonly host: string;
  readonly port: number;
  readonly asServerUser = asServerUser;

  #binaries: Binaries;
  #watchdog: Watchdog;
  #failureFlag: string;
  #kept: boolean;
  #server: { process: ChildProcess; pid: number; exited: Promise<unknown> } | undefined;

  constructor(binaries: Binaries, directory: string, host: string, port: number, kept: boolean) {
    this.#binaries = binaries;
    this.version = binaries.major;
    this.directory = directory;
    this.dataDirectory = join(directory, 'data');
    this.archiveDirectory = join(directory, 'archive');
    const sockets = join(directory, 'socket');
    this.socketDirectory =
      Buffer.byteLength(sockets) + '/.s.PGSQL.65535.lock'.length < 104 ? sockets : undefined;
    this.logFile = join(directory, 'server.log');
    this.#failureFlag = join(directory, 'archiving-fails');
    this.host = host;
    this.port = port;
    this.#kept = kept;
    this.#watchdog = new Watchdog(this.dataDirectory, kept ? 'INT' : 'QUIT', kept ? undefined : directory);
  }

  /** The path of initdb, pg_ctl or postgres; the packages hold no other program. */
  bin(name: 'initdb' | 'pg_ctl' | 'postgres'): string {
    return join(this.#binaries.directory, 'bin', name);
  }

  url({ database = 'postgres', user = 'postgres', password }: UrlParts = {}): string {
    const login = [user, ...(password === undefined ? [] : [password])].map(encodeURIComponent).join(':');
    return `postgres://${login}@${this.host}:${this.port}/${encodeURIComponent(database)}`;
  }

  get running(): boolean {
    return this.#server !== undefined;
  }

  /** The postmaster's process id, while it runs. */
  get pid(): number | undefined {
    return this.#server?.pid;
  }

  async prepare(options: ClusterOptions): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    if (this.#kept && !canEnter(this.directory)) {
      throw new Error(
        `the user that PostgreSQL runs as cannot enter ${this.directory}: choose another directory`,
      );
    }
    await asServerUser.mkdir(this.archiveDirectory);
    if (this.socketDirectory) await asServerUser.mkdir(this.socketDirectory, 0o755);
    if (await this.#hasData()) return;

    // Under its name only once it is whole, so that nobody finds half a cluster in a directory that is kept.
    const unfinished = `${this.dataDirectory}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    await asServerUser.mkdir(unfinished);
    if (!options.empty) await this.#initialise(unfinished, options);
    await rename(unfinished, this.dataDirectory);
  }

  async #initialise(dataDirectory: string, { from, initdb, settings, hba }: ClusterOptions): Promise<void> {
    if (from === undefined) await initialise(this.#binaries, dataDirectory, initdb ?? []);
    else await copyAsAnother(from, dataDirectory);
    const all = { ...defaultSettings(this.archiveDirectory, this.#failureFlag), ...settings };
    await appendFile(join(dataDirectory, 'postgresql.conf'), settingLines(all));
    if (hba) await writeFile(join(dataDirectory, 'pg_hba.conf'), `${hba.join('\n')}\n`);
  }

  /** Whether there is a cluster already; one of another major is an error, as PostgreSQL would say only later. */
  async #hasData(): Promise<boolean> {
    const file = join(this.dataDirectory, 'PG_VERSION');
    const found = await readFile(file, 'utf8').catch(() => undefined);
    if (found === undefined) return false;
    if (Number(found) !== this.version) {
      throw new Error(`${this.dataDirectory} is of PostgreSQL ${found.trim()}, not ${this.version}`);
    }
    return true;
  }

  /** Settings for a server that is not running, e.g. one restored from a backup; they beat postgresql.conf. */
  async appendSettings(settings: Settings): Promise<void> {
    const file = join(this.dataDirectory, 'postgresql.auto.conf');
    const before = await readFile(file, 'utf8').catch(() => '');
    await asServerUser.writeFile(file, `${before}${settingLines(settings)}`);
    await chmod(file, 0o600);
  }

  /**
   * Resolves when the server accepts connections, be it as a primary or as a hot standby. `environment`: more of it,
   * for the programs that the server runs.
   */
  async start(environment: NodeJS.ProcessEnv = {}): Promise<void> {
    if (this.#server) throw new Error(`the server on port ${this.port} is running already`);
    const isHidden = await this.#isHiddenStandby();
    const server = await this.#spawn(environment);
    const isReady = async () => {
      if (await this.#accepts(server.pid, isHidden)) return true;
      if (this.#server !== server) throw new Error(`the server did not start: ${await this.#logEnd()}`);
      return false;
    };
    try {
      await eventually('the server accepts connections', isReady, { within: 120_000, every: 10 });
    } catch (error) {
      if (this.#server !== server) throw error;
      await this.stop('immediate');
      throw new Error(`the server was not ready in time: ${await this.#logEnd()}`, { cause: error });
    }
  }

  async #spawn(environment: NodeJS.ProcessEnv) {
    const log = openSync(this.logFile, 'a');
    const args = [
      '-D',
      this.dataDirectory,
      '-h',
      this.host,
      '-p',
      String(this.port),
      '-k',
      this.socketDirectory ?? '',
    ];
    const process = spawn(this.bin('postgres'), args, {
      cwd: this.directory,
      env: { ...serverEnvironment(), ...environment },
      // Ctrl-C is for the program that uses the server; the server goes when that does.
      detached: true,
      stdio: ['ignore', log, log],
      ...serverIdentity(),
    });
    closeSync(log);
    const exited = new Promise<void>((resolve) =>
      process.once('exit', () => {
        this.#server = undefined;
        resolve();
      }),
    );
    await once(process, 'spawn');
    const pid = Number(process.pid);
    this.#watchdog.watch(pid);
    // An idle server is no reason for the process to stay.
    process.unref();
    const server = { process, pid, exited };
    this.#server = server;
    return server;
  }

  /** The server says so itself, in the eighth line of its lock file. */
  async #accepts(pid: number, isHidden: boolean): Promise<boolean> {
    const lines = await readFile(join(this.dataDirectory, 'postmaster.pid'), 'utf8').then(
      (text) => text.split('\n').map((line) => line.trim()),
      () => [],
    );
    if (Number(lines[0]) !== pid) return false;
    return lines[7] === 'ready' || (lines[7] === 'standby' && !isHidden);
  }

  /** A restored server that nobody is to look at while it recovers says "standby" as well, and accepts nobody. */
  async #isHiddenStandby(): Promise<boolean> {
    const settings = await readFile(join(this.dataDirectory, 'postgresql.auto.conf'), 'utf8').catch(() => '');
    return /^hot_standby = 'off'$/m.test(settings);
  }

  async #logEnd(): Promise<string> {
    const log = await readFile(this.logFile, 'utf8').catch(() => '');
    return `the end of its log is\n${log.trimEnd().split('\n').slice(-20).join('\n')}`;
  }

  async stop(mode: StopMode = 'fast'): Promise<void> {
    const server = this.#server;
    if (!server) return;
    server.process.ref();
    server.process.kill(signals[mode]);
    await server.exited;
  }

  async restart(mode: StopMode = 'fast'): Promise<void> {
    await this.stop(mode);
    await this.start();
  }

  /** SIGKILL for the server and every process of it, as when the machine goes down. */
  async kill(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    server.process.ref();
    const pids = await freeze(server.pid);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    server.process.kill('SIGKILL');
    await server.exited;
    await untilGone(pids);
  }

  /** While archiving fails, archive_command exits with 1; what was left waiting is archived after the next switch. */
  async failArchiving(): Promise<void> {
    await writeFile(this.#failureFlag, '');
  }

  async allowArchiving(): Promise<void> {
    await rm(this.#failureFlag, { force: true });
  }

  /** A new directory beside the data directory, of the server's own; a name that is no text can be given as bytes. */
  async makeDirectory<Path extends string | Buffer>(name: Path): Promise<Path> {
    const path = Buffer.concat([Buffer.from(`${this.directory}/`), Buffer.from(name)]);
    await asServerUser.mkdir(path);
    return (typeof name === 'string' ? path.toString() : path) as Path;
  }

  /** Stops the server, and removes its directory unless it is to be kept. */
  async remove(): Promise<void> {
    if (this.#kept) await this.stop('fast');
    await this.#watchdog.finish();
  }
}

export interface UrlParts {
  database?: string;
  user?: string;
  password?: string;
}
