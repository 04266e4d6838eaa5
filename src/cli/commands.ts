/** The commands, in the order in which the help has them. What one of them needs is loaded when it is asked for. */
import type { Command } from 'commander';

type Adding = (program: Command) => void;

const commands = {
  install: async () => (await import('./install.ts')).addInstall,
  adopt: async () => (await import('./adopt.ts')).addAdopt,
  worker: async () => (await import('./worker.ts')).addWorker,
  start: async () => (await import('./start.ts')).addStart,
  stop: async () => (await import('./stop.ts')).addStop,
  cancel: async () => (await import('./cancel.ts')).addCancel,
  status: async () => (await import('./status.ts')).addStatus,
  label: async () => (await import('./label.ts')).addLabel,
  place: async () => (await import('./place.ts')).addPlace,
  restore: async () => (await import('./restore.ts')).addRestore,
  verify: async () => (await import('./verify.ts')).addVerify,
  expire: async () => (await import('./expire.ts')).addExpire,
  drill: async () => (await import('./drill.ts')).addDrill,
  check: async () => (await import('./check.ts')).addCheck,
  wal: async () => (await import('./wal.ts')).addWalCommand,
  sync: async () => (await import('./sync.ts')).addSync,
  wait: async () => (await import('./sync.ts')).addWait,
} satisfies Record<string, () => Promise<Adding>>;

export type CommandName = keyof typeof commands;

export const commandNames = Object.keys(commands) as CommandName[];

/** What adds it to the program. */
export function commandOf(name: CommandName): Promise<Adding> {
  return commands[name]();
}
