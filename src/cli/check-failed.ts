/** The outcome of `holdfast check` if the state of the clusters cannot be determined. */
import { plain } from '../plain.ts';
import { withoutSecretArguments, type CommandFailure } from './failure.ts';
import { printJson, printLines } from './render/output.ts';

/** The exit statuses of a Nagios plugin. */
export const exitStatuses = { ok: 0, warning: 1, critical: 2, unknown: 3 } as const;

/**
 * Any error that keeps `holdfast check` from its result, such as a wrong option or an unreachable database.
 * The result is UNKNOWN.
 */
export class CheckFailed extends Error {
  readonly #failure: CommandFailure;

  constructor(failure: CommandFailure) {
    super(failure.message);
    this.#failure = failure;
  }

  /** Prints the failure, as JSON with `--json`. Returns the exit status. */
  async report(args: readonly string[]): Promise<number> {
    const { code, message, hint } = withoutSecretArguments(this.#failure, args);
    if (args.includes('--json')) await printJson({ status: 'unknown', error: { code, message, hint } });
    else
      await printLines([
        `HOLDFAST UNKNOWN - ${plain(message)}`,
        ...(hint === undefined ? [] : [`hint: ${plain(hint)}`]),
      ]);
    return exitStatuses.unknown;
  }
}
