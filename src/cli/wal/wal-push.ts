/**
 * `holdfast wal push`: the program in archive_command, which runs once for each file. Modules are loaded only
 * when they are needed.
 */
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { loadWalConfig, type WalConfig } from '../../config/wal-config.ts';
import { invocationOf } from '../../wal/invocation.ts';
import { isOwnDirectory } from '../../wal/our-directories.ts';
import { HoldfastError } from '../../errors.ts';
import { keepFreedMemory } from '../../system/keep-freed-memory.ts';
import {
  declaredDestination,
  declareDestination,
  isAlreadyPushed,
  recordRefusalOf,
  settleMilliseconds,
  withPushedMarker,
  type ArchiveDestination,
} from '../../wal/pushed-markers.ts';
import { removeStaleSpool } from '../../wal/spool.ts';
import { untilServerStops } from '../../wal/server-state.ts';
import { parseWalArguments } from './wal-arguments.ts';
import type { PreparedFile } from '../../wal/push-segment.ts';
import type { UnknownWalWarning } from '../../wal/unknown-wal-warning.ts';
import { tellFailure, tellWarning } from './wal-failure.ts';

/** Milliseconds after its own file in which a push begins other files. */
const patience = 1000;

/** Archives a file. Returns the exit status: 0 if the repository has the file on disk. */
export async function walPush(args: readonly string[]): Promise<number> {
  try {
    const { options, operands } = parseWalArguments('push', args);
    const [path = ''] = operands;
    const mayTouch = await untilServerStops(dirname(dirname(path)));
    const config = await loadWalConfig({ ...options, env: process.env });
    const { clusterDirectory } = config;
    const invocation = invocationOf(process.env, args.length > operands.length);
    const target = { clusterDirectory, invocation };
    if (await isAlreadyPushed(path, target).catch(() => false)) return 0;
    const { sameRepository } = await import('../../wal/same-repository.ts');
    const repository = await sameRepository(dirname(path), clusterDirectory);
    const warn = (warning: UnknownWalWarning) => tellWarning(warning, args);
    const { unknownFormat, hasPushedMore } = await push(path, target, { config, warn, mayTouch });
    if (!(await mayTouch())) return 0;
    if (unknownFormat !== undefined) await warnOfUnknownWal(path, unknownFormat, warn);
    await declareDestination(path, target, repository);
    await removeStaleSpool(dirname(path));
    const end = performance.now() + patience;
    if (!hasPushedMore && invocation !== undefined)
      await pushMore(path, { config, warn, mayTouch }, () => performance.now() < end);
    return 0;
  } catch (error) {
    return tellFailure(error, args);
  }
}

interface Pushing {
  config: WalConfig;
  warn: (warning: UnknownWalWarning) => void;
  /** Whether files below pg_wal may change: not where the server has stopped meanwhile, because of pg_rewind. */
  mayTouch: () => Promise<boolean>;
}

/**
 * Archives the file. If more files wait, a marker tells the processes that archive ahead that this file is
 * being archived, and afterwards that the file is archived; meanwhile, this process archives the next files, too.
 * Returns whether it has done so, and what this release of Holdfast does not know of the file (undefined if it knows
 * the format).
 */
async function push(
  path: string,
  target: ArchiveDestination,
  how: Pushing,
): Promise<{ unknownFormat: string | undefined; hasPushedMore: boolean }> {
  const { clusterDirectory, compressLevel } = how.config;
  const { pushWal } = await import('../../wal/push-segment.ts');
  keepFreedMemory();
  let pushed = undefined as PreparedFile | undefined;
  let end = Infinity;
  let more: Promise<void> | undefined;
  const archive = async () => {
    pushed = await pushWal({ path, clusterDirectory, compressLevel });
    end = performance.now() + patience;
  };
  try {
    if ((await how.mayTouch()) && (await wouldHelp(path, target)))
      await withPushedMarker(path, target, () => {
        more = pushMore(path, how, () => performance.now() < end);
        return archive();
      });
    else await archive();
  } catch (error) {
    if (error instanceof HoldfastError && pushed === undefined) {
      if (await how.mayTouch()) await recordRefusalOf(path);
      throw error;
    }
    if (pushed === undefined) await archive(); // a marker is only a hint
  } finally {
    await more;
  }
  return { unknownFormat: pushed?.unknownFormat, hasPushedMore: more !== undefined };
}

async function warnOfUnknownWal(
  path: string,
  unknownFormat: string,
  warn: (warning: UnknownWalWarning) => void,
): Promise<void> {
  const { unknownWalWarning } = await import('../../wal/unknown-wal-warning.ts');
  const warning = await unknownWalWarning(path, unknownFormat);
  if (warning !== undefined) warn(warning);
}

/** Whether a marker for this file would be of use to another process. */
async function wouldHelp(
  path: string,
  { clusterDirectory, invocation }: ArchiveDestination,
): Promise<boolean> {
  if (invocation === undefined || !(await isBehind(dirname(dirname(path))))) return false;
  if (!(await isOwnDirectory(dirname(path)))) return false;
  const declared = await declaredDestination(dirname(path));
  const { ctimeMs } = await stat(path);
  return declared?.clusterDirectory === clusterDirectory && Date.now() - ctimeMs > settleMilliseconds;
}

/**
 * Archives the next files if more than this file wait, and leaves markers for them. One process start then
 * serves several files. An error is reported when `archive_command` runs for the file in question.
 */
async function pushMore(
  path: string,
  { config: { clusterDirectory, compressLevel, pushAhead: ahead }, warn, mayTouch }: Pushing,
  goOn: () => boolean,
): Promise<void> {
  const dataDirectory = dirname(dirname(path));
  if (ahead === 0 || !(await isBehind(dataDirectory))) return;
  const { pushAhead } = await import('../../wal/push-ahead.ts');
  await pushAhead({
    dataDirectory,
    clusterDirectory,
    compressLevel,
    ahead,
    goOn: async () => goOn() && (await mayTouch()),
    onWarning: warn,
  }).catch(() => undefined);
}

/** Whether more than one file waits for the archiver. */
async function isBehind(dataDirectory: string): Promise<boolean> {
  const names = await readdir(join(dataDirectory, 'pg_wal', 'archive_status')).catch((): string[] => []);
  return names.filter((name) => name.endsWith('.ready')).length > 1;
}
