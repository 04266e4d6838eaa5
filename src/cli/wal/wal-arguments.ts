/**
 * The arguments of `holdfast wal push`, `fetch` and `init`. Loading commander would take too long for these
 * commands.
 */
import { HoldfastError } from '../../errors.ts';

/** The options of these commands; undefined if not given. */
export interface WalOptions {
  /** The configuration file. */
  file?: string;
  repository?: string;
  cluster?: string;
  /** For `wal init` only. */
  dataDirectory?: string;
}

const names: Record<string, keyof WalOptions> = {
  '--config': 'file',
  '--repository': 'repository',
  '--cluster': 'cluster',
};

/** The options of `wal init`. */
export const initNames: Record<string, keyof WalOptions> = { ...names, '--data-directory': 'dataDirectory' };

/**
 * Parses the arguments. `wanted` names the operands, one word each; `flags` are the options.
 * @throws HoldfastError of kind `usage`
 */
export function parseWalArguments(
  args: readonly string[],
  wanted: readonly string[],
  flags = names,
): { options: WalOptions; operands: string[] } {
  const options: WalOptions = {};
  const operands: string[] = [];
  const left = [...args];
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    if (!word.startsWith('-')) {
      operands.push(word);
      continue;
    }
    if (word === '--json') continue; // read by wal-failure.ts and wal-init.ts
    const [flag = '', ...joined] = word.split('=');
    const name = flags[flag];
    if (name === undefined) throw wrong(`unknown option '${flag}'`);
    const value = joined.length > 0 ? joined.join('=') : left.shift();
    if (value === undefined) throw wrong(`option '${flag}' needs a value`);
    options[name] = value;
  }
  if (operands.length !== wanted.length)
    throw wrong(
      `expected ${wanted.map((word) => `<${word}>`).join(' ')}, and got ${operands.length} arguments`,
    );
  return { options, operands };
}

function wrong(message: string): HoldfastError {
  return new HoldfastError('usage', message, {
    hint: 'write holdfast wal push "%p" into archive_command, and holdfast wal fetch "%f" "%p" into restore_command',
  });
}
