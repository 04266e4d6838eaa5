// A repository with WAL and backups made by hand, and a program that "sends" them off-site: into a directory, saying
// what it found, and failing or waiting where the test tells it to.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { linksOf } from '../../src/repository/backup-chain.ts';
import { backupAt } from '../../src/repository/catalog.ts';
import { describedBackup } from './described-backup.ts';
import type { Finished, RunningProcess } from '../../dev/harness/children.ts';
import { eventually } from './eventually.ts';
import { holdfast, startHoldfast } from './process.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { systemIdentifier, walScene } from './wal.ts';

export interface Sender {
  /** The program with its first argument: a sync_command. */
  command: string[];
  /** Where it sends to. */
  destination: string;
  /** Tells the program: fail, wait. */
  tell(what: 'fail' | 'wait'): Promise<void>;
  untell(what: 'fail' | 'wait'): Promise<void>;
  /** What it was run with, oldest first: its two arguments. */
  runs(): Promise<{ backup: string; present: string; ended: boolean }[]>;
  /** The files that have been sent. */
  remote(): Promise<string[]>;
}

export interface SyncScene extends Sender {
  repository: string;
  /** Of the cluster main. */
  directory: string;
  /** As sync_command, in the environment of the program. */
  env: NodeJS.ProcessEnv;
  /** Archives segment number n of timeline 1. */
  archive(n: number): Promise<string>;
  /** Puts a backup into the repository that needs WAL from segment n on; returns its name. */
  storeBackup(time: string, id: number, n: number, parent?: string): Promise<string>;
  sync(...args: string[]): Promise<Finished>;
  startSync(...args: string[]): Promise<RunningProcess>;
}

const program = `#!/bin/sh
place=$1
echo "$2 $3" >> "$place/begun"
if [ -e "$place/fail" ]; then echo 'the other side is away'; exit 7; fi
while [ -e "$place/wait" ]; do sleep 0.05; done
cp -Rp ./. "$place/remote/" || exit 1
echo "$2 $3" >> "$place/ended"
`;

export async function syncScene(t: ExecutionContext, at?: string): Promise<SyncScene> {
  const sender = await newSender(t);
  const server = await walScene(t, at);
  const { repository } = server;
  const directory = join(repository, 'main');
  const env = { HOLDFAST_REPOSITORY: repository, ...syncCommand(sender.command) };
  return {
    ...sender,
    repository,
    directory,
    env,
    async archive(n) {
      const name = segment(n);
      await server.wal(name);
      const { status, stderr } = await server.push(name);
      if (status !== 0) throw new Error(stderr);
      return name;
    },
    storeBackup: (time, id, n, parent) => storeBackup(directory, { time, id, n, parent }),
    sync: (...args) => holdfast(['sync', ...args], { env }),
    startSync: (...args) => startHoldfast(t, ['sync', ...args], { env }),
  };
}

/** In the environment of the program. */
export function syncCommand(command: string[]): NodeJS.ProcessEnv {
  return { HOLDFAST_CLUSTER_MAIN_SYNC_COMMAND: JSON.stringify(command) };
}

export async function newSender(t: ExecutionContext): Promise<Sender> {
  const place = await temporaryDirectory(t);
  const script = join(place, 'send');
  const destination = join(place, 'remote');
  await writeFile(script, program, { mode: 0o755 });
  await mkdir(destination);
  const lines = async (name: string) =>
    (await readFile(join(place, name), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  return {
    command: [script, place],
    destination,
    tell: (what) => writeFile(join(place, what), ''),
    untell: (what) => rm(join(place, what)),
    async runs() {
      const ended = await lines('ended');
      return (await lines('begun')).map((line) => {
        const [backup = '', present = ''] = line.split(' ');
        return { backup, present, ended: ended.includes(line) };
      });
    },
    async remote() {
      const entries = await readdir(destination, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(destination.length + 1))
        .sort();
    },
  };
}

export function segment(n: number): string {
  return `00000001${'0'.repeat(8)}${n.toString(16).toUpperCase().padStart(8, '0')}`;
}

export async function untilRunning(scene: Pick<SyncScene, 'runs'>, runs: number): Promise<void> {
  await eventually(`run ${runs} of the program`, async () => (await scene.runs()).length >= runs);
}

interface Stored {
  time: string;
  id: number;
  /** The first segment. */
  n: number;
  /** The name of the backup of which it is an incremental copy. */
  parent: string | undefined;
}

async function storeBackup(directory: string, { time, id, n, parent }: Stored): Promise<string> {
  const name = `${time}-${id}`;
  const backups = join(directory, 'backups');
  await mkdir(join(backups, name), { recursive: true });
  await mkdir(join(backups, `${name}.meta`));
  await writeFile(join(backups, name, 'base.tar.zst'), `the files of ${name}`);
  const startedAt = time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6.000Z');
  const lsn = (offset: number) => `0/${((n << 20) + id * 256 + offset).toString(16).toUpperCase()}`;
  const before = parent === undefined ? undefined : (await backupAt(join(backups, parent))).description;
  const incremental = before && {
    parent: String(parent),
    parentRequest: before.id,
    fromLsn: before.startLsn,
    fromTimeline: 1,
    parentManifestCrc32c: before.manifestCrc32c,
    full: before.incremental?.full ?? String(parent),
    links: linksOf(before) + 1,
    lengthsCrc32c: 0,
  };
  const description = describedBackup({
    id,
    label: name,
    systemIdentifier,
    startedAt,
    stoppedAt: startedAt,
    startLsn: lsn(0),
    startWal: segment(n),
    stopLsn: lsn(128),
    stopWal: segment(n),
    walSegmentSize: 1 << 20,
    ...(incremental && { incremental }),
  });
  if (!existsSync(join(directory, 'cluster.json'))) throw new Error('archive a segment first');
  await writeFile(join(backups, `${name}.meta`, 'backup.json'), description);
  return name;
}
