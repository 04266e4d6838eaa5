// npm run build: what the package runs, in dist/program. Node takes longer to find, read and link hundreds of modules than
// to run most commands, so modules become few files. Lazy imports stay lazy.
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { cp, mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type BuildOptions } from 'esbuild';
import { cached } from './embedded/cache.ts';
import { root } from './root.ts';

/** As "engines" in package.json says: what that Node does not know, `using` above all, is translated. */
const target = 'node22.15';

/** What bin/ and startThread() load by name. All files lie in one directory, as those of src/ have different names. */
export async function buildPrograms(directory: string): Promise<void> {
  await Promise.all([
    // Most of it is not loaded by most commands.
    bundle(['src/cli/main.ts'], directory, { splitting: true }),
    // They start for every segment of WAL, and with every copy: each is one file.
    bundle(['src/cli/wal/wal-{fetch,push,read-ahead,recovered}.ts'], directory),
    bundle(['src/**/*-{coordinator,thread}.ts'], directory),
  ]);
}

async function bundle(patterns: string[], outdir: string, more: BuildOptions = {}): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: patterns.flatMap((pattern) => globSync(pattern, { cwd: root })),
    outdir,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target,
    // Libraries stay packages of their own, which get their own updates.
    packages: 'external',
    entryNames: '[name]',
    chunkNames: '[name]-[hash]',
    logLevel: 'warning',
    ...more,
  });
}

/** What the package has beside the programs. */
const others = ['bin', 'migrations', 'sql', 'package.json'];

let installed: Promise<string> | undefined;

/** A directory with everything as npm installs it, of these sources. The tests run its programs. */
export function installedPackage(): Promise<string> {
  return (installed ??= installPackage());
}

function installPackage(): Promise<string> {
  return cached(`package-${fingerprint()}`, async (directory) => {
    await mkdir(join(directory, 'dist'));
    await buildPrograms(join(directory, 'dist', 'program'));
    for (const name of others) await cp(join(root, name), join(directory, name), { recursive: true });
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
  });
}

function fingerprint(): string {
  const hash = createHash('sha256').update(root);
  const patterns = [
    'src/**/*.ts',
    'dev/build.ts',
    'package-lock.json',
    ...others.map((name) => `${name}/**`),
  ];
  const files = globSync(patterns, { cwd: root, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const path of files.map((file) => join(file.parentPath, file.name)).sort()) {
    hash.update(path).update(readFileSync(path));
  }
  return hash.digest('hex').slice(0, 16);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const directory = join(root, 'dist');
  await rm(directory, { recursive: true, force: true });
  await buildPrograms(join(directory, 'program'));
}
