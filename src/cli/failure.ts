/** What went wrong, on standard error: what, to what, and what to do; and the exit status for it. */
import { CommanderError } from 'commander';
import { ServerError, type Notice } from '../database/connection.ts';
import { exitStatusOf, HoldfastError, messageOf } from '../errors.ts';
import { plain } from '../plain.ts';
import { redactIn } from '../redact.ts';

export interface CommandFailure {
  exitStatus: number;
  code: string;
  message: string;
  detail: string | undefined;
  hint: string | undefined;
}

/** SQLSTATEs of Holdfast's procedures. */
const timedOut = 'HF012';

export function commandFailureOf(error: unknown): CommandFailure {
  if (error instanceof HoldfastError) {
    const { exitStatus, code, message, hint } = error;
    return { exitStatus, code, message, detail: undefined, hint };
  }
  if (error instanceof ServerError) {
    const exitStatus = error.code === timedOut ? exitStatusOf.timeout : exitStatusOf.failed;
    const { code = 'server_error', detail, hint } = error;
    return {
      exitStatus,
      code,
      message: messageOf(error),
      detail: detail ? redactIn(detail) : undefined,
      hint: hint || undefined,
    };
  }
  if (error instanceof CommanderError) return usageFailure(error);
  return {
    exitStatus: exitStatusOf.failed,
    code: 'failed',
    message: messageOf(error),
    detail: undefined,
    hint: undefined,
  };
}

/** Commander's "error: unknown option '--x'\n(Did you mean --y?)", in our form. */
function usageFailure(error: CommanderError): CommandFailure {
  const [first = '', second] = error.message.split('\n');
  const suggestion = /^\((Did you mean .*)\)$/.exec(second ?? '')?.[1];
  return {
    exitStatus: exitStatusOf.usage,
    code: error.code.replace('commander.', ''),
    message: argumentProblem(error) ?? withoutValue(first.replace(/^error: /, '')),
    detail: undefined,
    hint: suggestion === undefined ? 'see --help' : suggestion.replace('Did', 'did'),
  };
}

/** Of an option that nobody knows, the value may be anything: a misspelt "--database-url=…" has a password. */
function withoutValue(message: string): string {
  return message.replace(/^(unknown option '--?[^=']+=).*$/s, "$1…'");
}

/** Commander makes two sentences of it: what is invalid, and why, which has to begin with "it" or with the value. */
function argumentProblem({ message }: CommanderError): string | undefined {
  const [, ofOption, flags = '', option = '', argument = '', name = '', why = ''] =
    /^error: (?:(option) '(.*?)' argument '([^]*?)' is invalid|command-argument value '([^]*?)' is invalid for argument '(.*?)')\. ([^]*)$/.exec(
      message,
    ) ?? [];
  if (why === '') return undefined;
  const value = ofOption === undefined ? argument : option;
  const what = `${ofOption === undefined ? name : (/--[\w-]+/.exec(flags)?.[0] ?? flags)} "${value}"`;
  const [, choices] = /^Allowed choices are ([^]*)\.$/.exec(why) ?? [];
  if (choices !== undefined) return `${what} is not one of ${choices}`;
  const problem = why.replace(/^it /, '').replace(`"${value}" `, '');
  return /^(is|has|does) /.test(problem) ? `${what} ${problem}` : `${what}: ${problem}`;
}

/** Commander quotes arguments as they came: somebody forgets "--database-url", or misspells it. */
export function withoutSecretArguments(failure: CommandFailure, args: readonly string[]): CommandFailure {
  let { message } = failure;
  for (const word of args) if (redactIn(word) !== word) message = message.replaceAll(word, beginningOf(word));
  return { ...failure, message: redactIn(message) };
}

/** Up to a blank: a password may have one, and where the rest of it begins, nobody can tell. */
function beginningOf(word: string): string {
  const [first = '', ...rest] = redactIn(word).split(/\s/);
  return rest.length > 0 ? `${first}…` : first;
}

export function reportFailure(failure: CommandFailure, json: boolean): void {
  const { exitStatus, code, message, detail, hint } = failure;
  if (json)
    process.stderr.write(
      `${JSON.stringify({ error: { exit_status: exitStatus, code, message, detail, hint } })}\n`,
    );
  else process.stderr.write(paragraph(message, detail, hint));
}

/** Warnings of the server, such as that no worker is alive, as they come. */
export function reportNotice({ severity, message, detail, hint }: Notice): void {
  if (severity === 'WARNING') process.stderr.write(paragraph(`warning: ${redactIn(message)}`, detail, hint));
}

function paragraph(message: string, detail: string | undefined, hint: string | undefined): string {
  const lines = [`holdfast: ${plain(message)}`];
  // What a server says in detail may have several lines.
  if (detail !== undefined) lines.push(`  detail: ${detail.split('\n').map(plain).join('\n')}`);
  if (hint !== undefined) lines.push(`  hint: ${plain(hint)}`);
  return `${lines.join('\n')}\n`;
}
