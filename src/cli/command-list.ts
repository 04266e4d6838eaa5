/** The commands, in the order of the help. The modules of a command are loaded when the command is used. */
import type { Command } from 'commander';

type Adding = (program: Command) => void;

const commands = {
  install: async () => (await import('./commands/install.ts')).addInstall,
  adopt: async () => (await import('./commands/adopt.ts')).addAdopt,
  worker: async () => (await import('./commands/worker.ts')).addWorker,
  start: async () => (await import('./commands/start.ts')).addStart,
  stop: async () => (await import('./commands/stop.ts')).addStop,
  cancel: async () => (await import('./commands/cancel.ts')).addCancel,
  status: async () => (await import('./commands/status.ts')).addStatus,
  label: async () => (await import('./commands/label.ts')).addLabel,
  place: async () => (await import('./commands/place.ts')).addPlace,
  restore: async () => (await import('./commands/restore.ts')).addRestore,
  verify: async () => (await import('./commands/verify.ts')).addVerify,
  expire: async () => (await import('./commands/expire.ts')).addExpire,
  drill: async () => (await import('./commands/drill.ts')).addDrill,
  check: async () => (await import('./commands/check.ts')).addCheck,
  wal: async () => (await import('./commands/wal.ts')).addWalCommand,
  sync: async () => (await import('./commands/sync.ts')).addSync,
  wait: async () => (await import('./commands/sync.ts')).addWait,
} satisfies Record<string, () => Promise<Adding>>;

/** The name of a command, as in `holdfast start`. */
export type CommandName = keyof typeof commands;

/** All names, in the order of the help. */
export const commandNames = Object.keys(commands) as CommandName[];

/** Loads a command. Resolves with the function that adds the command to the program. */
export function commandOf(name: CommandName): Promise<Adding> {
  return commands[name]();
}
