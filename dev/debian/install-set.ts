// Makes a set of Debian's programs: downloads the packages and the libraries that they need, unpacks them into one
// directory, and points the programs at that directory's own loader and libraries. No script of a package runs, and
// nothing outside of the directory changes.
import { globSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../embedded/run.ts';
import { debianMirror } from './debian-mirror.ts';
import { PrivateApt, type AptPackage } from './private-apt.ts';
import { installedVersion, programSets, setDirectory, versionFile, type SetName } from './program-sets.ts';

/** Why a set cannot be had on this machine; the tests that need it are skipped. */
export class NoDebianPrograms extends Error {}

/**
 * Installs a set unless it is there, and returns its version.
 * @throws NoDebianPrograms where this machine has no way to Debian's packages
 */
export async function installSet(name: SetName): Promise<string> {
  const known = installedVersion(name);
  if (known !== undefined) return known;
  const found = debianMirror();
  if ('obstacle' in found) throw new NoDebianPrograms(`${name} cannot be had: ${found.obstacle}`);
  const target = setDirectory(name);
  await mkdir(dirname(target), { recursive: true, mode: 0o755 });
  await refuseOthers(dirname(target));
  const unfinished = await mkdtemp(`${target}.unfinished-`);
  try {
    await build(name, found.mirror, unfinished);
    await putInPlace(unfinished, target);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  const version = installedVersion(name);
  // Without an error, every process would download it again.
  if (version === undefined) throw new Error(`${target} is there, and is not whole: remove it`);
  return version;
}

/** Its programs are run by root. */
async function refuseOthers(directory: string): Promise<void> {
  const { uid, mode } = await lstat(directory);
  if (uid === process.getuid?.() && (mode & 0o022) === 0) return;
  throw new Error(`others can write to ${directory}: set TEST_DEBIAN_PROGRAMS to a directory of your own`);
}

/** Where another process has been faster, its set is as good. */
async function putInPlace(unfinished: string, target: string): Promise<void> {
  await rename(join(unfinished, 'root'), target).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  });
}

async function build(name: SetName, mirror: string, unfinished: string): Promise<void> {
  const { suites, packages } = programSets[name];
  const [root, debs] = [join(unfinished, 'root'), join(unfinished, 'debs')];
  for (const directory of [root, debs]) await mkdir(directory, { mode: 0o755 });
  const [preferred = ''] = packages;
  const apt = await PrivateApt.open(join(unfinished, 'apt'), { mirror, suites, preferred });
  const closure = await apt.closureOf([...packages, 'patchelf']);
  const wanted = closure.filter((one) => isNeeded(one, [...packages, 'patchelf']));
  await apt.download(wanted, debs);
  for (const deb of await readdir(debs)) await run('dpkg-deb', ['-x', join(debs, deb), root]);
  await removeCompiler(root);
  await relocate(root, setDirectory(name));
  const { version = '' } = closure.find(({ name: one }) => one === preferred) ?? {};
  await writeFile(join(root, versionFile), `${version}\n`);
}

/** Of what the packages depend on, programs need libraries only. LLVM, for JIT, is larger than all others together. */
function isNeeded({ name }: AptPackage, packages: readonly string[]): boolean {
  if (packages.includes(name)) return true;
  return /^z?lib/.test(name) && !/^libllvm|-perl$|^libperl/.test(name);
}

/** Without its library the server's JIT would fail; without itself, the server does without JIT. */
async function removeCompiler(root: string): Promise<void> {
  for (const file of globSync('usr/lib/postgresql/*/lib/{llvmjit*.so,bitcode}', { cwd: root }))
    await rm(join(root, file), { recursive: true });
}

/** Points the programs in `root` at the loader and the libraries that will be in `target`. */
async function relocate(root: string, target: string): Promise<void> {
  const [loader] = globSync('usr/lib/*/ld-linux*.so.*', { cwd: root });
  if (loader === undefined) throw new Error(`there is no loader among the packages in ${root}`);
  const libraries = dirname(loader);
  // patchelf runs from here, so by the loader that is unpacked.
  const patchelf = [
    join(root, loader),
    '--library-path',
    join(root, libraries),
    join(root, 'usr/bin/patchelf'),
  ];
  const [program = '', ...before] = patchelf;
  const settings = [
    '--set-interpreter',
    join(target, loader),
    '--force-rpath',
    '--set-rpath',
    join(target, libraries),
  ];
  for (const file of globSync('usr/{bin,lib/postgresql/*/bin}/*', { cwd: root })) {
    const path = join(root, file);
    if (file.endsWith('/patchelf') || !(await isProgram(path))) continue;
    await run(program, [...before, ...settings, path]);
  }
}

async function isProgram(path: string): Promise<boolean> {
  if (!(await lstat(path)).isFile()) return false;
  const file = await open(path, 'r');
  try {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString('latin1') === '\x7fELF';
  } finally {
    await file.close();
  }
}
