import test from 'ava';
import { commandNames } from '../../src/cli/command-list.ts';
import { examples, helpAfter } from '../../src/cli/examples.ts';
import { buildProgram } from '../../src/cli/main.ts';

/** As a shell would take it apart, as far as examples need that. */
const wordsOf = (line: string) =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? '');

for (const name of commandNames) {
  test(`the help of "${name}" has examples, and the command takes them`, async (t) => {
    t.true(helpAfter(name).includes('Examples:'));
    for (const example of examples[name]) {
      const program = await buildProgram([name]);
      let taken = 0;
      const instead = () => void (taken += 1);
      for (const one of program.commands) for (const each of [one, ...one.commands]) each.action(instead);
      const [, command = example] = /^\w+_command = '(.*)'$/.exec(example) ?? [];
      await program.parseAsync(wordsOf(command).slice(1), { from: 'user' });
      t.is(taken, 1, example);
    }
  });
}
