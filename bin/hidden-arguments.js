// Everybody on a host sees the arguments of every process. Those in which a password could be are taken out of what the
// system shows of this one, and reach the Node that it may start in a variable, which only the same user can read.

const variable = 'HOLDFAST_HIDDEN_ARGUMENTS';
/** Without a password, and without anything that could be a part of one. */
const harmless = /^[a-z]+:\/\/([\w.-]+@)?[\w.-]*(:\d{1,5})?(\/[\w.-]*)?$/;

/** The words of the command line as everybody may see them. */
function shown(words) {
  return words.map((word, n) => {
    const [, option = '', value = word] = /^(--[\w-]+=)([^]*)$/.exec(word) ?? [];
    const isUrl = words[n - 1] === '--database-url' || option === '--database-url=' || value.includes('://');
    if (!isUrl || harmless.test(value)) return word;
    const [scheme = ''] = /^[a-z]{1,12}:\/\//.exec(value) ?? [];
    return option + scheme + '...';
  });
}

/** Linux shows the title instead of the arguments, which it is written over. */
export function hideArguments() {
  const words = process.argv.slice(1);
  const visible = shown(words);
  if (visible.some((word, n) => word !== words[n]))
    process.title = [process.argv0, ...process.execArgv, ...visible].join(' ');
}

/** What another Node is to be started with, so that it can put them back. */
export function withHiddenArguments() {
  const words = process.argv.slice(1);
  const visible = shown(words);
  const isHidden = visible.some((word, n) => word !== words[n]);
  return { args: visible, env: isHidden ? { [variable]: JSON.stringify(words) } : {} };
}

/** Nothing that is started from here on inherits them. */
export function takeHiddenArguments() {
  const hidden = process.env[variable];
  if (hidden === undefined) return;
  delete process.env[variable];
  process.argv.splice(1, Infinity, ...JSON.parse(hidden));
}
