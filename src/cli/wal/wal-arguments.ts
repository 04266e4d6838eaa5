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

const inSettings =
  'write holdfast wal push "%p" into archive_command, and holdfast wal fetch "%f" "%p" into restore_command';

/** Each command: its operands, one word each, its options, and the hint where an argument is wrong. */
const commands = {
  push: { operands: ['file'], flags: names, hint: inSettings },
  fetch: { operands: ['name', 'destination'], flags: names, hint: inSettings },
  init: {
    operands: [],
    flags: { ...names, '--data-directory': 'dataDirectory' },
    hint: 'type holdfast wal init --repository DIR --cluster NAME, and --data-directory DIR where the server had another repository',
  },
} satisfies Record<string, WalCommand>;

interface WalCommand {
  operands: string[];
  flags: Record<string, keyof WalOptions>;
  hint: string;
}

/** Parses the arguments of a command. @throws HoldfastError of kind `usage` */
export function parseWalArguments(
  command: keyof typeof commands,
  args: readonly string[],
): { options: WalOptions; operands: string[] } {
  const { operands: wanted, flags, hint }: WalCommand = commands[command];
  const wrong = (message: string) => new HoldfastError('usage', message, { hint });
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
  if (operands.length !== wanted.length) {
    const expected = wanted.length === 0 ? 'no arguments' : wanted.map((word) => `<${word}>`).join(' ');
    throw wrong(`expected ${expected}, and got ${operands.length}`);
  }
  return { options, operands };
}
