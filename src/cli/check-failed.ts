/** How "holdfast check" ends where it cannot know. */
import { plain } from '../plain.ts';
import { withoutSecretArguments, type CommandFailure } from './failure.ts';
import { printJson, printLines } from './render/output.ts';

export const exitStatuses = { ok: 0, warning: 1, critical: 2, unknown: 3 } as const;

/** Whatever keeps us from knowing is "unknown", be it a wrong option or a database that is away. */
export class CheckFailed extends Error {
  readonly #failure: CommandFailure;

  constructor(failure: CommandFailure) {
    super(failure.message);
    this.#failure = failure;
  }

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
