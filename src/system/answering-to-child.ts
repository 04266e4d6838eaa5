/**
 * Finds out whether a file system answers, by a process of its own: this process can then end at once, which it could not
 * while one of its threads waits for that file system.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { noAnswer, usualPatience } from './answering.ts';
import { endsWithin } from './ends-within.ts';

/**
 * Resolves when the file system of `directory` answers, whether the directory exists or not.
 * @throws Error with code `ETIMEDOUT` where it does not
 */
export async function requireAnswerToChild(directory: string, patience = usualPatience): Promise<void> {
  const child = spawn('/bin/sh', ['-c', 'test -e "$0"', directory], { detached: true, stdio: 'ignore' });
  const ended = once(child, 'exit').catch(() => undefined); // without a process nothing is known
  if (await endsWithin(patience, ended)) return;
  child.unref();
  throw noAnswer(directory, patience);
}
