/** Has a configured program remove a copy that is not in the repository. It may be asked for the same one again. */
import { spawn } from 'node:child_process';
import { withoutSecrets } from '../system/program-environment.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import type { ListedCandidate } from './expiry-candidates.ts';

/** Milliseconds after which it hangs. */
const hangsAfter = 3_600_000;
/** Milliseconds that its output is waited for after its end: what it has left running may keep the pipes for ever. */
const outputLasts = 1000;
const mostOutput = 2000;

/** @throws HoldfastError `delete_failed` with what it said */
export async function runDeleteCommand(
  [program = '', ...args]: readonly string[],
  cluster: string,
  backup: ListedCandidate,
  signal: AbortSignal,
): Promise<void> {
  const outcome = await new Promise<{ status: number | string | null; said: string }>((resolve, reject) => {
    // In a group of its own, so that what it has started ends with it.
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
    hint: 'mend it: the next expiry runs it again, and it has to succeed for a copy that is gone already',
  });
}
