// WAL for tests: segments made by hand, and servers that archive with "holdfast wal push".
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { registerCompletionHandler, type ExecutionContext } from 'ava';
import { serverIdentity } from '../../dev/embedded/server-user.ts';
import { invocationOf } from '../../src/wal/invocation.ts';
import { declareDestination } from '../../src/wal/pushed-markers.ts';
import { pushWal } from '../../src/wal/push-segment.ts';
import { sameRepository } from '../../src/wal/same-repository.ts';
import { runProcess, startProcess, type Finished, type RunningProcess } from '../../dev/harness/children.ts';
import { noServerFiles, ownCluster, type OwnClusterOptions, type TestCluster } from './cluster.ts';
import { holdfast } from './process.ts';
import { makeRepository } from './repository.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { program, script } from './programs.ts';

/** What the script needs, and nothing else. */
const tools = mkdtempSync(join(tmpdir(), 'holdfast-tools-'));
for (const tool of ['stat', 'mv', 'readlink', 'dirname', 'env', 'sleep']) {
  const found = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim();
  symlinkSync(found, join(tools, tool));
}
registerCompletionHandler(() => rmSync(tools, { recursive: true, force: true }));

export const MB = 1 << 20;
export const systemIdentifier = '7412345678901234567';

export interface Segment {
  name?: string;
  system?: string;
  /** Bytes. */
  size?: number;
  /** What the rows in it begin with. */
  fill?: string;
  /** XLOG_PAGE_MAGIC; default: PostgreSQL 18's. */
  magic?: number;
}

export const segment1 = '000000010000000000000001';

const filled = new Map<string, string>();

/** What fills a segment, made once. */
function rowsOf(fill: string): string {
  let rows = filled.get(fill);
  if (rows === undefined) {
    const all = Array.from(
      { length: 20_000 },
      (_, n) => `${fill} ${n} of ${(n * 7919) % 10_007}: ${n ** 3}\n`,
    );
    rows = all.join('');
    filled.set(fill, rows);
  }
  return rows;
}

/** A segment as PostgreSQL would write it, as far as its first header goes. */
export function segmentBytes({
  name = segment1,
  system = systemIdentifier,
  size = MB,
  fill = 'row',
  magic = 0xd118,
}: Segment = {}): Buffer {
  const bytes = Buffer.alloc(size, rowsOf(fill));
  const log = BigInt(`0x${name.slice(8, 16)}`);
  const perLog = 0x1_0000_0000n / BigInt(size);
  const number = log * perLog + BigInt(`0x${name.slice(16, 24)}`);
  bytes.writeUInt16LE(magic, 0);
  bytes.writeUInt16LE(2, 2);
  bytes.writeUInt32LE(Number.parseInt(name.slice(0, 8), 16), 4);
  bytes.writeBigUInt64LE(number * BigInt(size), 8);
  bytes.writeBigUInt64LE(BigInt(system), 24);
  bytes.writeUInt32LE(size, 32);
  bytes.writeUInt32LE(8192, 36);
  return bytes;
}

export interface Scene {
  /** As a server's: archive_command runs here. */
  dataDirectory: string;
  repository: string;
  /** Where an archived file is. */
  archived(name: string): string;
  /** Leaves a segment (or other bytes) in pg_wal. */
  wal(name: string, content?: Segment | Buffer): Promise<void>;
  push(name: string, options?: { env?: NodeJS.ProcessEnv }): Promise<Finished>;
  /** What push() does, in this process: for what is in the archive when a test begins. */
  archive(name: string): Promise<void>;
  fetch(name: string, destination?: string, options?: { env?: NodeJS.ProcessEnv }): Promise<Finished>;
  /** bin/holdfast-wal where there is no Node to be found: what it does by itself, or 127. `tools`: found first. */
  withoutNode(args: string[], options?: { env?: NodeJS.ProcessEnv; tools?: string }): Promise<Finished>;
}

/** What pushAhead is given for the directory and the repository of a scene. */
export function aheadOptions({ dataDirectory, repository }: Scene) {
  return { dataDirectory, clusterDirectory: join(repository, 'main'), compressLevel: 1, ahead: 8 };
}

/** A data directory with nothing in it but pg_wal, and an empty repository. */
export async function walScene(t: ExecutionContext, repositoryAt?: string): Promise<Scene> {
  const directory = await temporaryDirectory(t);
  const dataDirectory = join(directory, 'data');
  const repository = repositoryAt ?? join(directory, 'repository');
  await mkdir(join(dataDirectory, 'pg_wal'), { recursive: true });
  await makeRepository(repository);
  const run = (args: string[], env: NodeJS.ProcessEnv = {}) =>
    holdfast(['wal', ...args], { cwd: dataDirectory, env: { HOLDFAST_REPOSITORY: repository, ...env } });
  return {
    dataDirectory,
    repository,
    archived: (name) => archivedIn(repository, name),
    async wal(name, content = {}) {
      const bytes = Buffer.isBuffer(content) ? content : segmentBytes({ name, ...content });
      await writeFile(join(dataDirectory, 'pg_wal', name), bytes);
    },
    push: (name, { env } = {}) => run(['push', `pg_wal/${name}`], env),
    async archive(name) {
      const path = join(dataDirectory, 'pg_wal', name);
      const clusterDirectory = join(repository, 'main');
      const owner = await sameRepository(dirname(path), clusterDirectory);
      await pushWal({ path, clusterDirectory, compressLevel: 1 });
      const invocation = invocationOf({ HOLDFAST_REPOSITORY: repository }, false);
      await declareDestination(path, { clusterDirectory, invocation }, owner);
    },
    fetch: (name, destination = 'pg_wal/RECOVERYXLOG', { env } = {}) =>
      run(['fetch', name, destination], env),
    withoutNode: (args, { env, tools: first = tools } = {}) =>
      runProcess(script, args, {
        cwd: dataDirectory,
        env: { PATH: `${first}:${tools}`, HOLDFAST_REPOSITORY: repository, ...env },
      }),
  };
}

/** Starts a process that works in a data directory, as its postmaster does, and writes postmaster.pid for it. */
export async function standInFor(t: ExecutionContext, dataDirectory: string): Promise<void> {
  const { pid } = await startProcess(t, 'sleep', ['600'], { cwd: dataDirectory });
  const lines = [pid, dataDirectory, 1, 5432, '', '*', '1 1', 'ready', ''];
  await writeFile(join(dataDirectory, 'postmaster.pid'), lines.join('\n'));
}

export function archivedIn(repository: string, name: string): string {
  const wal = join(repository, 'main', 'wal');
  if (name.endsWith('.history')) return join(wal, name);
  return join(wal, name.slice(0, 16), name.endsWith('.backup') ? name : `${name}.zst`);
}

/** For testWhen(): why no server can run our program; undefined when one can. */
export const noArchivingServer = noServerFiles ?? containers() ?? closedCheckout();

function containers(): string | undefined {
  return process.env['TEST_POSTGRES'] === 'containers' ? 'containers have no holdfast in them' : undefined;
}

/** archive_command runs as the server's user. */
function closedCheckout(): string | undefined {
  const { status } = spawnSync(process.execPath, [program, '--version'], { cwd: '/', ...serverIdentity() });
  return status === 0 ? undefined : "the server's user cannot run what is in this checkout";
}

export interface ArchivingServer {
  cluster: TestCluster;
  repository: string;
  archived: (name: string) => string;
  pushCommand: string;
  restoreCommand: string;
  /** Removes the file that a test put where the cluster's directory should be, and has the archiver try again. */
  makeRoom(): Promise<void>;
}

/** A server of the test's own, with "holdfast wal push" for its archive_command. */
export async function archivingServer(
  t: ExecutionContext,
  options: OwnClusterOptions & { variables?: Record<string, string> } = {},
): Promise<ArchivingServer> {
  const { variables = {}, ...rest } = options;
  const cluster = await ownCluster(t, rest);
  const repository = await cluster.serverDirectory('repository');
  await makeRepository(repository);
  const pushCommand = `${command(repository, variables)} push "%p"`;
  await cluster.configure({ archive_command: pushCommand });
  return {
    cluster,
    repository,
    archived: (name) => archivedIn(repository, name),
    pushCommand,
    restoreCommand: `${command(repository, variables)} fetch "%f" "%p"`,
    async makeRoom() {
      await rm(join(repository, 'main'));
      await makeRepository(repository);
      await cluster.archiving.recover();
    },
  };
}

function command(repository: string, variables: Record<string, string>): string {
  const env = Object.entries(variables).map(([name, value]) => `${name}="${value}"`);
  return [...env, `HOLDFAST_REPOSITORY="${repository}"`, `"${process.execPath}"`, `"${program}"`, 'wal'].join(
    ' ',
  );
}

/** As the server's user, since only that one may archive ahead. Resolves once it is ready. */
export async function startArchivingWorker(
  t: ExecutionContext,
  { cluster, repository }: { cluster: Pick<TestCluster, 'serverDirectory'>; repository: string },
  url: string,
  env: NodeJS.ProcessEnv = {},
): Promise<RunningProcess> {
  const identity = serverIdentity();
  const setpriv = identity
    ? ['setpriv', `--reuid=${identity.uid}`, `--regid=${identity.gid}`, '--clear-groups']
    : [];
  const [first, ...rest] = [...setpriv, process.execPath, program, 'worker'];
  const labels = await cluster.serverDirectory(`labels-${process.hrtime.bigint()}`);
  const worker = await startProcess(t, first ?? process.execPath, rest, {
    cwd: '/',
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: url,
      HOLDFAST_REPOSITORY: repository,
      HOLDFAST_LABELS: labels,
      ...env,
    },
  });
  await worker.untilLine(/\bready\b/);
  return worker;
}
