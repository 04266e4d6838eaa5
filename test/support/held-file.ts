// A file whose readers wait at its first byte: a named pipe in its place, until the test lets them read on.
import { open, readFile, rename } from 'node:fs/promises';
import { constants } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { runProcess } from '../../dev/harness/children.ts';

export interface HeldFile {
  /** Somebody has opened it, and waits. */
  opened: Promise<unknown>;
  /** The file is back in its place, and whoever waits gets what is in it. */
  release: () => Promise<void>;
}

export async function holdFile(t: ExecutionContext, path: string): Promise<HeldFile> {
  const aside = `${path}.aside`;
  await rename(path, aside);
  const { status, stderr } = await runProcess('mkfifo', ['-m', '666', path]);
  if (status !== 0) throw new Error(stderr);
  const opened = open(path, 'w');
  let isBack = false;
  const putBack = async () => {
    isBack = true;
    // Ends our own wait as well, where nobody came.
    const pipe = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    await rename(aside, path);
    return { pipe, writer: await opened };
  };
  t.teardown(async () => {
    if (isBack) return;
    const { pipe, writer } = await putBack();
    await Promise.all([pipe.close(), writer.close()]);
  });
  return {
    opened,
    async release() {
      const { pipe, writer } = await putBack();
      await pipe.close();
      // Its reader may have been killed.
      await writer.writeFile(await readFile(path)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EPIPE') throw error;
      });
      await writer.close();
    },
  };
}
