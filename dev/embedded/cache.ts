// What is made once and used by every later run of the same user: downloaded binaries, initialised data directories.
//
// An entry is built under a temporary name and renamed, so that several processes may build the same one at once and
// none ever sees half of it. The directory is in a place that anybody may write to, hence the check of whose it is.
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, chmod, lstat, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { canEnter, serverIdentity } from './server-user.ts';

/** Where temporary things go: the system's temporary directory, unless the servers' user cannot enter it. */
export function temporaryDirectory(): string {
  const wanted = tmpdir();
  if (temporary?.wanted !== wanted) temporary = { wanted, found: canEnter(wanted) ? wanted : '/tmp' };
  return temporary.found;
}

let temporary: { wanted: string; found: string } | undefined;

/** A new directory of our own, which the servers' user can enter but not list or change. */
export async function scratchDirectory(): Promise<string> {
  const directory = await mkdtemp(join(temporaryDirectory(), 'holdfast-'));
  if (serverIdentity()) await chmod(directory, 0o711);
  return directory;
}

/** Where to keep a cluster: `wanted`, or always the same place instead of it where the servers' user cannot go there. */
export async function reachableDirectory(wanted: string): Promise<string> {
  await mkdir(wanted, { recursive: true });
  if (canEnter(wanted)) return wanted;
  const name = createHash('sha256').update(wanted).digest('hex').slice(0, 12);
  return join(await ownDirectory('/var/tmp'), `kept-${name}`);
}

/** The path of a cache entry (a directory), which `build` fills where it does not exist yet. */
export async function cached(name: string, build: (directory: string) => Promise<void>): Promise<string> {
  const entry = join(await ownDirectory(), name);
  if (await exists(entry)) return entry;

  await mkdir(dirname(entry), { recursive: true, mode: 0o755 });
  const unfinished = await mkdtemp(join(dirname(entry), `.${basename(entry)}.`));
  try {
    await chmod(unfinished, 0o755);
    await build(unfinished);
    await rename(unfinished, entry).catch(async (error: unknown) => {
      // Somebody else was faster: theirs is as good.
      if (!(await exists(entry))) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return entry;
}

/** `TEST_CACHE` leads there from a temporary directory that goes with its run. */
async function ownDirectory(parent = process.env['TEST_CACHE'] ?? temporaryDirectory()): Promise<string> {
  const { uid } = userInfo();
  const directory = join(parent, `holdfast-cache-${uid}`);
  await mkdir(directory, { mode: 0o755 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const found = await lstat(directory);
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o022) !== 0) {
    throw new Error(
      `${directory} is not a directory that only this user can write to, so the programs in it cannot be trusted; remove it`,
    );
  }
  // A strict umask would keep the servers' user out.
  await chmod(directory, 0o755);
  return directory;
}

async function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}
