/** Where this installation is, for the commands that it writes into the settings of a restored server. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../database/statements.ts';
import type { FetchCommand } from '../recovery/recovery-commands.ts';

/** bin/holdfast-wal, and the directory of the Node program that runs this process. */
export const installedProgram: Pick<FetchCommand, 'script' | 'nodeDirectory'> = {
  script: join(fileURLToPath(packageRoot), 'bin/holdfast-wal'),
  nodeDirectory: dirname(process.execPath),
};
