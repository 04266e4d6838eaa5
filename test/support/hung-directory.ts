// A file system that answers nothing at all, as a share whose server is gone: not even a look comes to an end.
import { open } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import type { ExecutionContext } from 'ava';
import { runProcess } from '../../dev/harness/children.ts';

const device = '/dev/fuse';

/** For testWhen(): why there is no such file system here; undefined when there can be one. */
export const noHungDirectory = await obstacle();

async function obstacle(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return 'only root can mount a file system that hangs';
  const fuse = await open(device, 'r+').catch(() => undefined);
  await fuse?.close();
  if (fuse === undefined) return 'there is no FUSE here';
  const { status } = await runProcess('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
  return status === 0 ? undefined : 'this container may not mount file systems';
}

/** From now on nothing answers below `directory`. Resolves with what puts an end to that: all who wait get an error. */
export async function hang(t: ExecutionContext, directory: string): Promise<() => Promise<void>> {
  const fuse = await open(device, 'r+');
  const options = 'fd=3,rootmode=40000,user_id=0,group_id=0,allow_other';
  const { status, stderr } = spawnSync('mount', ['-i', '-t', 'fuse', '-o', options, 'hung', directory], {
    stdio: ['ignore', 'ignore', 'pipe', fuse.fd],
  });
  if (status !== 0) throw new Error(`nothing could be mounted: ${String(stderr)}`);
  let isOver = false;
  const end = async () => {
    if (isOver) return;
    isOver = true;
    await runProcess('umount', ['-f', '-l', directory]);
    await fuse.close();
  };
  t.teardown(end);
  await beginSession(fuse);
  return end;
}

/** The kernel asks nobody before FUSE_INIT is answered (include/uapi/linux/fuse.h). */
async function beginSession(fuse: Awaited<ReturnType<typeof open>>): Promise<void> {
  const asked = Buffer.alloc(1 << 17);
  await fuse.read(asked);
  const answer = Buffer.alloc(16 + 64);
  answer.writeUInt32LE(answer.length, 0);
  asked.copy(answer, 8, 8, 16); // the number of the question
  answer.writeUInt32LE(7, 16);
  answer.writeUInt32LE(31, 20);
  answer.writeUInt32LE(1 << 16, 24);
  answer.writeUInt32LE(1 << 16, 36);
  answer.writeUInt32LE(1, 40);
  await fuse.write(answer);
}
