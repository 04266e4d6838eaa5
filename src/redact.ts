/**
 * What may be shown of a text in which a password could be. Nobody can find the password in a URL that is malformed,
 * so only what is known to be harmless is shown.
 */

/** A URL without a password, without parameters and without anything that a parser could take for one. */
const harmlessUrl =
  /^[a-z][a-z0-9+.-]*:\/\/(?:[\w.-]+@)?(?:[\w.-]+|\[[0-9a-f:]+\])?(?::\d{1,5})?(?:\/[\w./-]*)?$/i;
/** What separates a user from a password or a host, or a name from a value. */
const separators = /[:@=&#]/;
const secretWord = /pass|pwd|secret|token|credential/i;

/** One value, such as one of the configuration; undefined: it is not to be shown at all. */
export function redact(value: string): string | undefined {
  const scheme = /^([a-z][a-z0-9+.-]{0,11}):\/\//i.exec(value)?.[1];
  if (scheme !== undefined) return harmlessUrl.test(value) ? value : `${scheme}://…`;
  return separators.test(value) || secretWord.test(value) ? undefined : value;
}

/** A URL up to a blank or a quotation mark; where there is an "@" later in the line, a password could reach until there. */
const url = /\b([a-z][a-z0-9+.-]{0,11}):\/\/(?:[^\n]{0,500}@[^\s"'`]*|[^\s"'`]+)/gi;
/** A setting of which nobody knows where its value ends: the rest of the line. */
const assignment =
  /((?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|(?:access|api|private)[_-]?key)["']?\s*(?:=|:\s)\s*)\S[^\n]*/gi;

/** A sentence, such as what another program or a driver said. */
export function redactIn(text: string): string {
  return text
    .replace(url, (found: string, scheme: string) => (isHarmless(found) ? found : `${scheme}://…`))
    .replace(assignment, '$1…');
}

/** With the punctuation of the sentence that it stands in. */
function isHarmless(found: string): boolean {
  return harmlessUrl.test(found.replace(/[.,:;)\]]+$/, ''));
}
