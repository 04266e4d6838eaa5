/** `holdfast wal push`: what archive_command runs, once a segment. It loads nothing that it does not use. */
import { loadWalConfig } from '../config/wal-config.ts';
import { pushWal } from '../wal/push.ts';
import { parseWalArguments } from './wal-arguments.ts';
import { tellFailure } from './wal-failure.ts';

/** Returns the exit status: 0 when the repository has the file on disk. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const { options, operands } = parseWalArguments(args, ['file']);
    const [path = ''] = operands;
    const { clusterDirectory, compressLevel } = await loadWalConfig({ ...options, env: process.env });
    await pushWal({ path, clusterDirectory, compressLevel });
    return 0;
  } catch (error) {
    return tellFailure(error, args);
  }
}
