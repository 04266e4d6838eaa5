/** As recovery fetches: one segment after the other, each renamed and synced before the next is asked for. */
import { spawnSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serverIdentity } from '../../dev/embedded/server-user.ts';
import type { Peer } from './peers.ts';
import { stopwatch, type Taken } from './processor-time.ts';
import { pushAll } from './pushing.ts';
import type { Setting } from './setting.ts';
import { program } from '../programs.ts';

/** Milliseconds. */
const settle = 1500;

/** The archives have to be there: each peer's own push is run for it. */
export async function fetchAll(setting: Setting, peer: Peer): Promise<Taken> {
  await fillArchive(setting, peer);
  await sleep(settle);
  const wal = join(setting.recovering, 'pg_wal');
  const sinceThen = stopwatch();
  for (const name of setting.segments) {
    const command = peer.command.replaceAll('%f', name).replaceAll('%p', 'pg_wal/RECOVERYXLOG');
    const { status, stderr } = spawnSync('/bin/sh', ['-c', command], {
      cwd: setting.recovering,
      encoding: 'utf8',
      ...serverIdentity(),
    });
    if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}`);
    keep(wal, name);
  }
  const taken = sinceThen();
  for (const name of setting.segments) rmSync(join(wal, name));
  rmSync(join(wal, 'pgsql_tmp.holdfast.fetch'), { recursive: true, force: true });
  return taken;
}

/** src/backend/access/transam/xlogarchive.c: KeepFileRestoredFromArchive */
function keep(wal: string, name: string): void {
  const fetched = join(wal, 'RECOVERYXLOG');
  sync(fetched);
  renameSync(fetched, join(wal, name));
  sync(wal);
}

function sync(path: string): void {
  const file = openSync(path, 'r');
  fsyncSync(file);
  closeSync(file);
}

const filled = new Set<string>();

async function fillArchive(setting: Setting, { command }: Peer): Promise<void> {
  const { variables, pgbackrest } = setting;
  const ours = !command.includes('pgbackrest');
  const key = ours ? 'ours' : 'theirs';
  if (filled.has(key)) return;
  const push = ours ? `${variables} "${program}" wal push "%p"` : `${pgbackrest} archive-push "%p"`;
  await pushAll(setting, { name: key, command: push }, filled.size === 0);
  filled.add(key);
}
