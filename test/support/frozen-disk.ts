// A file system that does not answer while it is frozen, as a share whose server is gone: no error, and no end.
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { runProcess } from '../../dev/harness/children.ts';
import { run } from './copies.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface FrozenDisk {
  readonly directory: string;
  /** Whoever writes there waits until `work` is over. */
  whileFrozen(work: () => Promise<void>): Promise<void>;
}

/** For testWhen(): why there is no such disk here; undefined when there can be one. */
export const noFrozenDisk = await obstacle();

async function obstacle(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root can freeze a file system';
  const script =
    'd=$(mktemp -d) && truncate -s 16M "$d/disk" && mkfs.ext4 -q "$d/disk" && mkdir "$d/m" && mount -o loop "$d/disk" "$d/m" && fsfreeze -f "$d/m" && fsfreeze -u "$d/m"; status=$?; umount "$d/m"; rm -rf "$d"; exit $status';
  const { status } = await runProcess('unshare', ['-m', 'sh', '-c', script]);
  return status === 0 ? undefined : 'this container may not freeze file systems';
}

/** Everybody may write there. */
export async function frozenDisk(t: ExecutionContext): Promise<FrozenDisk> {
  const place = await temporaryDirectory(t);
  const [disk, directory] = [join(place, 'disk'), join(place, 'mounted')];
  await chmod(place, 0o755);
  await mkdir(directory);
  await run('truncate', ['-s', '256M', disk]);
  await run('mkfs.ext4', ['-q', disk]);
  await run('mount', ['-o', 'loop', disk, directory]);
  t.teardown(() => run('umount', ['-l', directory]));
  await run('chmod', ['777', directory]);
  return {
    directory,
    async whileFrozen(work) {
      await run('fsfreeze', ['-f', directory]);
      try {
        await work();
      } finally {
        // Nobody who waits for the disk can be killed.
        await run('fsfreeze', ['-u', directory]);
      }
    },
  };
}
