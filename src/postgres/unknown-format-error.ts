/** The error for a file of a PostgreSQL release whose formats this release of Holdfast does not know. */
import { HoldfastError } from '../errors.ts';
import { supportedPostgres } from './supported-versions.ts';

/**
 * A file states a format that no supported PostgreSQL has. That is not damage, but where the file has its fields is
 * unknown, so nothing is read from it.
 */
export class UnknownFormatError extends RangeError {
  /** Whether the message names the file. */
  readonly isNamed: boolean;

  constructor(message: string, isNamed: boolean, cause?: Error) {
    super(message, { cause });
    this.isNamed = isNamed;
  }

  /** `what`: the statement of the file, such as `the version 2000`. */
  static of(what: string): UnknownFormatError {
    return new UnknownFormatError(`it has ${what}, which belongs to no ${supportedPostgres}`, false);
  }

  /** The same error with the name of the file, unless the message has one already. */
  in(file: string): UnknownFormatError {
    if (this.isNamed) return this;
    return new UnknownFormatError(`"${file}" cannot be read: ${this.message}`, true, this);
  }
}

/**
 * The error `unsupported_version` where `error` is an UnknownFormatError; it is reported instead of damage. `file`: for
 * errors that do not name their file yet.
 */
export function unsupportedFormat(error: unknown, file: string): HoldfastError | undefined {
  if (!(error instanceof UnknownFormatError)) return undefined;
  return new HoldfastError('failed', error.in(file).message, {
    code: 'unsupported_version',
    hint: 'use a release of Holdfast that knows this version of PostgreSQL',
    cause: error,
  });
}
