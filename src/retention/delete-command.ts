/**
 * Runs the configured delete_command, which removes a backup that is not in the repository. The command may
 * run more than once for the same backup.
 */
import { spawn } from 'node:child_process';
import { withoutSecrets } from '../system/program-environment.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import type { ListedCandidate } from './expiry-candidates.ts';

/** Milliseconds after which the command is killed. */
const hangsAfter = 3_600_000;
/**
 * Milliseconds to wait for output after the exit of the command. Background processes may keep the pipes open
 * forever.
 */
const outputLasts = 1000;
/** Number of characters of output in an error. */
const mostOutput = 2000;

/**
 * Runs the delete_command for one backup.
 * @throws HoldfastError `delete_failed` with the output of the command
 */
export async function runDeleteCommand(
  [program = '', ...args]: readonly string[],
  cluster: string,
  backup: ListedCandidate,
  signal: AbortSignal,
): Promise<void> {
  const outcome = await new Promise<{ status: number | string | null; said: string }>((resolve, reject) => {
    // In a process group of its own, so that child processes of the command can be killed, too.
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...withoutSecrets(process.env), ...described(cluster, backup) },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-mostOutput)));
    const end = () => {
      if (child.pid !== undefined) endGroup(child.pid);
    };
    const hanging = setTimeout(end, hangsAfter);
    signal.addEventListener('abort', end, { once: true });
    const over = () => {
      clearTimeout(hanging);
      signal.removeEventListener('abort', end);
    };
    child.once('error', (error) => {
      over();
      reject(failed(backup, messageOf(error)));
    });
    child.once('exit', (status, by) => {
      over();
      const cut = setTimeout(() => {
        for (const stream of [child.stdout, child.stderr]) stream.destroy();
      }, outputLasts);
      child.once('close', () => {
        clearTimeout(cut);
        resolve({ status: status ?? by, said: said.trim() });
      });
    });
    if (signal.aborted) end();
  });
  if (outcome.status === 0) return;
  throw failed(backup, `it ended with ${outcome.status}${outcome.said === '' ? '' : `: ${outcome.said}`}`);
}

function described(cluster: string, backup: ListedCandidate): Record<string, string> {
  return {
    HOLDFAST_EXPIRED_CLUSTER: cluster,
    HOLDFAST_EXPIRED_ID: String(backup.id),
    HOLDFAST_EXPIRED_LABEL: backup.label,
    HOLDFAST_EXPIRED_METHOD: backup.method,
    HOLDFAST_EXPIRED_NAME: backup.name,
    HOLDFAST_EXPIRED_STARTED_AT: backup.startedAt.toISOString(),
    HOLDFAST_EXPIRED_STOPPED_AT: backup.stoppedAt.toISOString(),
  };
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function failed({ id, label }: ListedCandidate, reason: string): HoldfastError {
  return new HoldfastError('failed', `the delete_command failed for backup ${id} "${label}": ${reason}`, {
    code: 'delete_failed',
    hint: 'mend delete_command of the cluster, which the next expiry runs again, and let it succeed for a copy that is gone already',
  });
}
