// PostgreSQL refuses to run as root. As root, servers run as `postgres`, else as `nobody`; otherwise as ourselves.
import { execFileSync, spawnSync } from 'node:child_process';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { run, type Identity } from './run.ts';

let known: { identity: Identity | undefined } | undefined;

/** Whom servers run as; undefined: nobody but ourselves. */
export function serverIdentity(): Identity | undefined {
  known ??= { identity: process.getuid?.() === 0 ? unprivileged() : undefined };
  return known.identity;
}

function unprivileged(): Identity {
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string) =>
        Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // No such user: try the next.
    }
  }
  throw new Error(
    'PostgreSQL does not run as root, and there is neither a user "postgres" nor "nobody" to run it as',
  );
}

/** Whether the user that servers run as can enter a directory: every directory above it must let him through. */
export function canEnter(directory: string): boolean {
  return (
    spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', directory], { cwd: '/', ...serverIdentity() }).status === 0
  );
}

/** What a test does as the owner of the data directory: programs it runs, files and directories it leaves there. */
export const asServerUser = {
  run(
    command: string,
    args: string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
  ): Promise<string> {
    return run(command, args, { ...options, as: serverIdentity() });
  },

  /** Makes it unless it is there. */
  async mkdir(directory: string | Buffer, mode = 0o700): Promise<void> {
    await mkdir(directory, { recursive: true, mode });
    await giveToServer(directory);
  },

  async writeFile(path: string, content: string | Uint8Array): Promise<void> {
    await writeFile(path, content);
    await giveToServer(path);
  },
};

async function giveToServer(path: string | Buffer): Promise<void> {
  const identity = serverIdentity();
  if (identity) await chown(path, identity.uid, identity.gid);
}
