/** Error reports of the command line on standard error: message, detail and hint, and the exit status. */
import { CommanderError } from 'commander';
import { ServerError, type Notice } from '../database/connection.ts';
import { exitStatusOf, HoldfastError, messageOf } from '../errors.ts';
import { plain } from '../plain.ts';
import { redactIn } from '../redact.ts';

/** An error, as a command reports it. */
export interface CommandFailure {
  exitStatus: number;
  /** The error code: of Holdfast, the SQLSTATE, or the code of commander. */
  code: string;
  message: string;
  /** DETAIL of an error of the server; undefined for other errors. */
  detail: string | undefined;
  hint: string | undefined;
}

/** The SQLSTATE of a timeout in a procedure of Holdfast. */
const timedOut = 'HF012';

/** The report of any error. Passwords in URLs are removed. */
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

/** Commander's "error: unknown option '--x'\n(Did you mean --y?)", in the form of Holdfast. */
function usageFailure(error: CommanderError): CommandFailure {
  const [first = '', second] = error.message.split('\n');
  const suggestion = /^\((Did you mean .*)\)$/.exec(second ?? '')?.[1];
  return {
    exitStatus: exitStatusOf.usage,
    code: error.code.replace('commander.', ''),
    message: argumentProblem(error) ?? withoutValue(first.replace(/^error: /, '')),
    detail: undefined,
    hint:
      suggestion === undefined
        ? 'add --help to see what can be typed'
        : suggestion.replace(/^Did you mean (.*)\?$/, 'type $1, if you mean that'),
  };
}

/**
 * Removes the value of an unknown option, because the value may be secret: a misspelt `--database-url=…`
 * contains a password.
 */
function withoutValue(message: string): string {
  return message.replace(/^(unknown option '--?[^=']+=).*$/s, "$1…'");
}

/**
 * Combines the two sentences of commander, the invalid argument and the reason, into one. The reason has to
 * begin with "it" or with the value.
 */
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

/**
 * Removes secrets from a message in which commander quotes arguments, such as a URL without `--database-url`
 * before it.
 */
export function withoutSecretArguments(failure: CommandFailure, args: readonly string[]): CommandFailure {
  let { message } = failure;
  for (const word of args) if (redactIn(word) !== word) message = message.replaceAll(word, beginningOf(word));
  return { ...failure, message: redactIn(message) };
}

/**
 * The argument up to the first blank. A password may contain a blank, and the end of the password cannot be
 * determined.
 */
function beginningOf(word: string): string {
  const [first = '', ...rest] = redactIn(word).split(/\s/);
  return rest.length > 0 ? `${first}…` : first;
}

/** Writes the failure to standard error, as JSON on one line if `json` is set. */
export function reportFailure(failure: CommandFailure, json: boolean): void {
  const { exitStatus, code, message, detail, hint } = failure;
  if (json)
    process.stderr.write(
      `${JSON.stringify({ error: { exit_status: exitStatus, code, message, detail, hint } })}\n`,
    );
  else process.stderr.write(paragraph(message, detail, hint));
}

/**
 * Writes a WARNING of the server to standard error at once, such as the warning that no worker is alive.
 * Other notices are ignored.
 */
export function reportNotice({ severity, message, detail, hint }: Notice): void {
  if (severity === 'WARNING') process.stderr.write(paragraph(`warning: ${redactIn(message)}`, detail, hint));
}

function paragraph(message: string, detail: string | undefined, hint: string | undefined): string {
  const lines = [`holdfast: ${plain(message)}`];
  // The detail of a server may have several lines.
  if (detail !== undefined) lines.push(`  detail: ${detail.split('\n').map(plain).join('\n')}`);
  if (hint !== undefined) lines.push(`  hint: ${plain(hint)}`);
  return `${lines.join('\n')}\n`;
}
