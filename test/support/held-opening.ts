// A file that nobody in this process gets open until the test lets them: what has been read before is old by then.
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import type { ExecutionContext } from 'ava';

export interface HeldOpening {
  /** Somebody wants to open the file, and waits. */
  wanted: Promise<void>;
  release: () => void;
}

export function holdOpening(t: ExecutionContext, path: string): HeldOpening {
  const real = fs.open;
  const wanted = Promise.withResolvers<undefined>();
  const released = Promise.withResolvers<undefined>();
  const put = (open: typeof fs.open) => {
    fs.open = open;
    syncBuiltinESMExports();
  };
  put(async (file, ...rest) => {
    if (file === path) {
      wanted.resolve(undefined);
      await released.promise;
    }
    return real(file, ...rest);
  });
  t.teardown(() => put(real));
  return { wanted: wanted.promise, release: () => released.resolve(undefined) };
}
