// Where Node keeps what it has compiled of our sources, from run to run: to strip their types takes longer than most of
// what they do. Below the directory Node has one for each user, named by version and user.
import { chownSync, mkdirSync } from 'node:fs';
import { enableCompileCache, getCompileCacheDir } from 'node:module';
import { dirname, join } from 'node:path';
import { serverIdentity } from '../embedded/server-user.ts';
import { root } from '../root.ts';

/** NODE_COMPILE_CACHE for us, and for what a server calls; this process uses it from now on. */
export function compileCache(): string {
  enableCompileCache(join(root, 'node_modules', '.cache', 'holdfast-tests'));
  const ours = getCompileCacheDir() ?? '';
  const server = serverIdentity();
  const theirs = ours.replace(/-\d+$/, `-${server?.uid}`);
  if (server !== undefined && theirs !== ours) {
    mkdirSync(theirs, { recursive: true });
    chownSync(theirs, server.uid, server.gid);
  }
  return dirname(ours);
}
