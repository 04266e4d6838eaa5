/** `holdfast wal fetch`: what restore_command runs, for every file that recovery may need. */
import { loadWalConfig } from '../config/wal-config.ts';
import { fetchWal } from '../wal/fetch.ts';
import { parseWalArguments } from './wal-arguments.ts';
import { tellFailure } from './wal-failure.ts';

/** The archive does not have it: PostgreSQL goes on without, and ends recovery or asks again. */
const notThere = 1;
/**
 * Above 125 PostgreSQL stops recovery (src/backend/access/transam/xlogarchive.c: RestoreArchivedFile); what cannot
 * be read now must not look like the end of the archive, or a server would be promoted short of its data.
 */
const stop = 200;

/** Returns the exit status: 0 when the file is at its place. */
export async function main(args: readonly string[]): Promise<number> {
  process.exitCode = stop;
  process.on('uncaughtException', (error) => process.exit(tellFailure(error, args, stop)));
  try {
    const { options, operands } = parseWalArguments(args, ['name', 'destination']);
    const [name = '', path = ''] = operands;
    const { clusterDirectory } = await loadWalConfig({ ...options, env: process.env });
    return (await fetchWal({ name, path, clusterDirectory })) ? 0 : notThere;
  } catch (error) {
    return tellFailure(error, args, stop);
  }
}
