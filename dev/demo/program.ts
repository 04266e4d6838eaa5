// Where the server's own user finds the program: archive_command runs as him, and so does the worker beside it.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canEnter } from '../embedded/server-user.ts';
import type { Stage } from './stage.ts';

/** This checkout. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** The programs of a package, and the PATH in which they are found by their names. */
export function packageIn(home: string): { node: string; program: string; path: string } {
  const programs = [join(home, 'bin'), join(home, 'node_modules/.bin'), process.env['PATH'] ?? ''];
  return {
    node: join(home, 'node_modules/.bin/node'),
    program: join(home, 'bin/holdfast.js'),
    path: programs.join(delimiter),
  };
}

/** This checkout; or, where the server's user cannot use it, a copy of what runs, in `directory`. */
export async function reachableProgram(stage: Stage, directory: string): Promise<string> {
  if (canEnter(root)) return root;
  const parts = ['package.json', 'bin', 'src', 'sql', 'migrations', ...(await dependencies())];
  await stage.run('mkdir', [directory], {});
  await stage.run('cp', ['-R', '--parents', ...parts, directory], { cwd: root });
  await stage.run('chmod', ['-R', 'go+rX', directory], {});
  return directory;
}

/** The packages that the program needs, as far as they are for this system, and Node itself. */
async function dependencies(): Promise<string[]> {
  const lock = join(root, 'package-lock.json');
  const { packages } = JSON.parse(await readFile(lock, 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean }>;
  };
  const needed = Object.keys(packages).filter((path) => {
    const { dev, devOptional } = packages[path] ?? {};
    return path !== '' && !dev && !devOptional && existsSync(join(root, path));
  });
  return [...needed, 'node_modules/.bin/node', 'node_modules/node/bin'];
}
