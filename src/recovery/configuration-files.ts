/** Reads the configuration files in a data directory in the order in which a server reads the files. */
import { readdir, realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isBelowPath } from '../system/real-path.ts';
import { settingIn } from './recovery-settings.ts';
import { readSmallFile } from '../system/small-file.ts';

/** src/backend/utils/misc/guc-file.l: CONF_FILE_MAX_DEPTH */
const deepest = 10;
/** Bytes. Larger files are ignored. */
const largest = 1 << 20;

/**
 * Whether `path` is below the data directory once symbolic links are resolved. A backup must not make a
 * restore read files elsewhere.
 */
async function liesIn(directory: string, path: string): Promise<boolean> {
  const [real, root] = await Promise.all([realpath(path), realpath(directory)]).catch(() => ['', '']);
  return root !== '' && real !== root && isBelowPath(real, root);
}

/**
 * The lines of `file` and of the files included by `file` (include, include_if_exists, include_dir). Files
 * outside of the data directory and files that cannot be read are left out.
 */
export async function configurationLines(directory: string, file: string, depth = 0): Promise<string[]> {
  if (depth > deepest || !(await liesIn(directory, file))) return [];
  const bytes = await readSmallFile(file, { most: largest }).catch(() => undefined);
  if (bytes === undefined) return [];
  const lines: string[] = [];
  for (const line of bytes.toString('latin1').split('\n')) {
    const [, kind, path = ''] =
      /^\s*(include(?:_if_exists|_dir)?)\s*=?\s*'?([^'#]*?)'?\s*(?:#.*)?$/i.exec(line) ?? [];
    if (kind === undefined) lines.push(line);
    else
      for (const included of await filesOf(directory, kind.toLowerCase(), resolve(dirname(file), path)))
        lines.push(...(await configurationLines(directory, included, depth + 1)));
  }
  return lines;
}

/** src/common/conffiles.c: GetConfFilesInDir */
async function filesOf(directory: string, kind: string, path: string): Promise<string[]> {
  if (kind !== 'include_dir') return [path];
  if (!(await liesIn(directory, path))) return [];
  const names = await readdir(path).catch((): string[] => []);
  return names
    .filter((name) => name.endsWith('.conf') && !name.startsWith('.'))
    .sort()
    .map((name) => join(path, name));
}

/** The last value of each setting, by its name in lower case. */
export function valuesIn(lines: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of lines) {
    const [, value] = /^\s*[\w.]+\s*=?\s*'?([^'#\s]*)/.exec(line) ?? [];
    if (value !== undefined) values.set(settingIn(line), value);
  }
  return values;
}
