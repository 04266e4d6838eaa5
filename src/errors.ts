/**
 * The errors of Holdfast. The kind of an error determines the exit status of the program. A message is in
 * lower case and names the object; the hint tells the user what to do.
 */
import { redactIn } from './redact.ts';

/** The exit status for each kind: 1 failed, 2 wrong usage or configuration, 3 timed out. 0 means success. */
export const exitStatusOf = { failed: 1, usage: 2, timeout: 3 } as const;

/** The kind of an error. */
export type ErrorKind = keyof typeof exitStatusOf;

/** Further data of an error. */
export interface ErrorDetails {
  /**
   * A word for programs, such as `label_directory_unwritable`. In a request, the word is stored as
   * `error_code`. undefined means the kind.
   */
  code?: string;
  /** What the user can do. */
  hint?: string;
  /** The error that caused this one. */
  cause?: unknown;
}

/** An error that Holdfast reports with a code and a hint. */
export class HoldfastError extends Error {
  override readonly name = 'HoldfastError';
  readonly kind: ErrorKind;
  readonly code: string;
  readonly hint: string | undefined;

  /**
   * Redacts the message: a text quoted from a driver, another program or a file may contain a URL with a
   * password.
   */
  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(redactIn(message), details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.code = details.code ?? kind;
    this.hint = details.hint;
  }

  /** The exit status of a command that fails with this error. */
  get exitStatus(): number {
    return exitStatusOf[this.kind];
  }
}

/** The redacted message of any thrown value. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(messageOf).join('; ');
  }
  return redactIn(error instanceof Error ? error.message : String(error));
}
