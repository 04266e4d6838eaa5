// The outside tool: tar knows nothing of PostgreSQL, and PostgreSQL nothing of tar.
import { join } from 'node:path';
import { asServerUser } from '../embedded/server-user.ts';

export interface Archived {
  /** As one would type it. */
  command: string;
  /** 0, or 1: "file changed as we read it", which recovery mends. */
  status: number;
}

/** Everything in a directory but the server's lock file; both paths are relative to `workingDirectory`. */
export async function tarUp(workingDirectory: string, file: string, directory: string): Promise<Archived> {
  const args = ['-cf', file, '--exclude=./postmaster.pid', '-C', directory, '.'];
  const command = `tar ${args.join(' ')}`;
  const script = 'tar "$@" 2>&1; echo $?';
  const said = await asServerUser.run('/bin/sh', ['-c', script, 'tar', ...args], { cwd: workingDirectory });
  const status = Number(said.trimEnd().split('\n').at(-1));
  // With status 2 something could not be read at all.
  if (status > 1) throw new Error(`${command} ended with ${status}: ${said.trimEnd()}`);
  return { command, status };
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
