/** An error in a thread of a copy, in a form that can be sent to another thread. */
import { messageOf } from '../../errors.ts';
import type { CopyFailure } from './copy-messages.ts';

/** An error with a description that can be cloned between threads. */
export class CopyError extends Error {
  readonly failure: CopyFailure;

  private constructor(failure: CopyFailure, cause: unknown) {
    super(failure.message, { cause });
    this.failure = failure;
  }

  /** Reading the cluster failed. `what`: the path. */
  static reading(what: string, cause: unknown): CopyError {
    return CopyError.#of('read', `cannot read "${what}"`, cause);
  }

  /** Writing the repository failed. `what`: the path. */
  static writing(what: string, cause: unknown): CopyError {
    return CopyError.#of('write', `cannot write "${what}"`, cause);
  }

  /** The copy has damaged pages, and the cluster has on_damaged_page = "fail". */
  static damage(message: string): CopyError {
    return new CopyError({ side: 'damage', code: undefined, message }, undefined);
  }

  static #of(side: CopyFailure['side'], message: string, cause: unknown): CopyError {
    if (cause instanceof CopyError) return cause;
    const { code } = cause as NodeJS.ErrnoException;
    return new CopyError({ side, code, message: `${message}: ${messageOf(cause)}` }, cause);
  }
}

/** The description of any error, for a message to another thread. */
export function copyFailureOf(error: unknown): CopyFailure {
  if (error instanceof CopyError) return error.failure;
  return { side: 'other', code: undefined, message: messageOf(error) };
}
