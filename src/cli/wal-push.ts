/** `holdfast wal push`: what archive_command runs, once a segment. It loads nothing that it does not use. */
import { dirname } from 'node:path';
import { loadWalConfig } from '../config/wal-config.ts';
import { invocationOf } from '../wal/invocation.ts';
import { declareTarget, isReceipted } from '../wal/receipts.ts';
import { removeStaleSpool } from '../wal/spool.ts';
import { parseWalArguments } from './wal-arguments.ts';
import { tellFailure } from './wal-failure.ts';

/** Returns the exit status: 0 when the repository has the file on disk. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const { options, operands } = parseWalArguments(args, ['file']);
    const [path = ''] = operands;
    const { clusterDirectory, compressLevel } = await loadWalConfig({ ...options, env: process.env });
    const invocation = invocationOf(process.env, args.length > operands.length);
    const target = { clusterDirectory, invocation };
    if (await isReceipted(path, target).catch(() => false)) return 0;
    const { pushWal } = await import('../wal/push.ts');
    await pushWal({ path, clusterDirectory, compressLevel });
    await declareTarget(path, target);
    await removeStaleSpool(dirname(path));
    return 0;
  } catch (error) {
    return tellFailure(error, args);
  }
}
