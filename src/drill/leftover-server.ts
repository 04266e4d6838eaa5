/**
 * Ends the server that a killed drill left running. A process counts as this server only if its working
 * directory is the data directory of the drill. A process ID in postmaster.pid may belong to any other
 * process.
 */
import { lstat, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../errors.ts';
import { readSmallFile } from '../system/small-file.ts';

/** Milliseconds to wait for a server to end, once after SIGQUIT and once after SIGKILL. */
const patience = 15_000;

/**
 * Ends the server in a data directory. Returns the process ID of the postmaster; undefined if no server was
 * running.
 * @throws HoldfastError `stray_server` where the server does not end
 */
export async function endServer(dataDirectory: string): Promise<number | undefined> {
  const first = await serversIn(dataDirectory);
  if (first.length === 0) return undefined;
  const postmaster = await notedPostmaster(dataDirectory);
  if (postmaster !== undefined && first.includes(postmaster)) {
    // Immediate shutdown, without a checkpoint: the files are removed afterwards.
    signal(postmaster, 'SIGQUIT');
    await untilNone(dataDirectory);
  }
  for (const pid of await serversIn(dataDirectory)) signal(pid, 'SIGKILL');
  if (!(await untilNone(dataDirectory))) {
    throw new HoldfastError('failed', `the server in "${dataDirectory}" does not end`, {
      code: 'stray_server',
      hint: `end process ${first.join(', ')}, then remove the directory`,
    });
  }
  return postmaster ?? first[0];
}

async function untilNone(dataDirectory: string): Promise<boolean> {
  for (const until = Date.now() + patience; Date.now() < until; await sleep(50))
    if ((await serversIn(dataDirectory)).length === 0) return true;
  return false;
}

/**
 * The processes named postgres whose working directory is this directory. A symbolic link to a directory does
 * not count.
 */
async function serversIn(dataDirectory: string): Promise<number[]> {
  const ours = await lstat(dataDirectory).catch(() => undefined);
  if (ours === undefined || !ours.isDirectory()) return [];
  const found: number[] = [];
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue;
    const command = await readFile(`/proc/${name}/comm`, 'utf8').catch(() => '');
    const works = await stat(`/proc/${name}/cwd`).catch(() => undefined);
    if (command.trim() === 'postgres' && works?.dev === ours.dev && works.ino === ours.ino)
      found.push(Number(name));
  }
  return found;
}

async function notedPostmaster(dataDirectory: string): Promise<number | undefined> {
  const text = await readSmallFile(join(dataDirectory, 'postmaster.pid')).then(String, () => '');
  const pid = Number.parseInt(text, 10);
  return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
