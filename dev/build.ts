// npm run build: what the package runs, in dist/program. Node takes longer to find, read and link hundreds of modules than
// to run most commands, so modules that are always loaded together become one file. Lazy imports stay lazy.
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { cp, mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { cached } from './embedded/cache.ts';
import { root } from './root.ts';

/** What bin/ and startThread() load by name. All files lie in one directory, as those of src/ have different names. */
const entries = ['src/cli/main.ts', 'src/cli/wal/wal-*.ts', 'src/**/*-{coordinator,thread}.ts'];

/** As "engines" in package.json says: what that Node does not know, `using` above all, is translated. */
const target = 'node22.15';

/** Libraries stay packages of their own, which get their own updates. */
export async function buildPrograms(directory: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: entries.flatMap((pattern) => globSync(pattern, { cwd: root })),
    outdir: directory,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target,
    packages: 'external',
    entryNames: '[name]',
    chunkNames: '[name]-[hash]',
    logLevel: 'warning',
  });
}

/** What the package has beside the programs. */
const others = ['bin', 'migrations', 'sql', 'package.json'];

/** A directory with everything as npm installs it, of these sources. The tests run its programs. */
export function installedPackage(): Promise<string> {
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
