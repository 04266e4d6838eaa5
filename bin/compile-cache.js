import module from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where others can write, they could leave code for us to run: so not in the system's temporary directory. */
export function enableCompileCache() {
  if (!module.enableCompileCache) return;
  try {
    const caches = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
    module.enableCompileCache(process.env.NODE_COMPILE_CACHE || join(caches, 'holdfast'));
  } catch {
    // Without a home there is no cache.
  }
}
