/**
 * What can go wrong, as kinds. Each kind has the exit status of the program; the message is lower case,
 * names the object, and the hint says what to do.
 */
import { redactIn } from './redact.ts';

/** Exit statuses: 0 done, 1 failed, 2 wrong usage or configuration, 3 timed out. */
export const exitStatusOf = { failed: 1, usage: 2, timeout: 3 } as const;

export type ErrorKind = keyof typeof exitStatusOf;

export interface ErrorDetails {
  /** A word for programs, such as `label_directory_unwritable`; it becomes `error_code` of a request. */
  code?: string;
  /** What to do about it. */
  hint?: string;
  cause?: unknown;
}

export class HoldfastError extends Error {
  override readonly name = 'HoldfastError';
  readonly kind: ErrorKind;
  readonly code: string;
  readonly hint: string | undefined;

  /** What it quotes may come from a driver, another program or a file: a URL in it is shown without a password. */
  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(redactIn(message), details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.code = details.code ?? kind;
    this.hint = details.hint;
  }

  get exitStatus(): number {
    return exitStatusOf[this.kind];
  }
}

/** The message of anything that was thrown, as it may be shown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(messageOf).join('; ');
  }
  return redactIn(error instanceof Error ? error.message : String(error));
}
