// A small file system (64 kB unless told), to be filled up or made read-only; only root can mount one.
import { chown, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { runProcess } from '../../dev/harness/children.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface SmallDisk {
  readonly directory: string;
  /** From now on not a byte more can be written. */
  fill(): Promise<void>;
  empty(): Promise<void>;
  makeReadOnly(): Promise<void>;
  /** Gives it another size, in mount's terms; what is there stays. */
  resize(size: string): Promise<void>;
}

/** For testWhen(): why there is no small disk here; undefined when there can be one. */
export const noSmallDisk = await obstacle();

async function obstacle(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return 'only root can mount a small file system';
  const { status } = await runProcess('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
  return status === 0 ? undefined : 'this container may not mount file systems';
}

/** `at`: an empty directory, whose owner the disk gets; default: one of the test's own. */
export async function smallDisk(t: ExecutionContext, size = '64k', at?: string): Promise<SmallDisk> {
  const directory = at ?? (await temporaryDirectory(t));
  const { uid, gid } = await stat(directory);
  await run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory);
  t.teardown(() => run('umount', '-l', directory));
  await chown(directory, uid, gid);
  const filler = join(directory, 'filler');
  return {
    directory,
    async fill() {
      const error = await writeFile(filler, Buffer.alloc(32 << 20)).catch(
        (reason: NodeJS.ErrnoException) => reason,
      );
      if (error?.code !== 'ENOSPC') throw new Error('the small disk took 32 MB');
    },
    empty: () => rm(filler, { force: true }),
    makeReadOnly: () => run('mount', '-o', 'remount,ro', directory),
    resize: (wanted) => run('mount', '-o', `remount,size=${wanted}`, directory),
  };
}

async function run(command: string, ...args: string[]): Promise<void> {
  const { status, stderr } = await runProcess(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr}`);
}
