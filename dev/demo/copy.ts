// The outside tool: tar knows nothing of PostgreSQL, and PostgreSQL nothing of tar.
import { join } from 'node:path';
import { asServerUser } from '../embedded/server-user.ts';

/** What a restored server must not have; its WAL comes from the archive. */
const leftOut = ['./postmaster.pid', './postmaster.opts', './pg_wal/*', './pg_replslot/*'];

export interface Archived {
  /** As one would type it. */
  command: string;
  /** 0, or 1: "file changed as we read it", which recovery mends. */
  status: number;
}

export async function tarUp(directory: string, file: string): Promise<Archived> {
  const exclude = leftOut.map((pattern) => `--exclude=${pattern}`);
  const args = ['-cf', file, ...exclude, '-C', directory, '.'];
  // With status 2 something could not be read at all.
  const script = 'tar "$@" 2>/dev/null; status=$?; echo $status; [ $status -le 1 ]';
  const status = await asServerUser.run('/bin/sh', ['-c', script, 'tar', ...args]);
  const typed = args.map((arg) => (/[*]/.test(arg) ? `'${arg}'` : arg)).join(' ');
  return { command: `tar ${typed}`, status: Number(status) };
}

export async function extract(file: string, directory: string): Promise<void> {
  await asServerUser.run('tar', ['-xf', file, '-C', directory]);
}

export async function empty(directory: string): Promise<void> {
  await asServerUser.run('find', [directory, '-mindepth', '1', '-delete']);
}

export async function sizeOf(directory: string): Promise<string> {
  const kilobytes = Number((await asServerUser.run('du', ['-sk', join(directory, '.')])).split('\t')[0]);
  return `${Math.round(kilobytes / 1024)} MB`;
}
