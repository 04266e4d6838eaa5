/**
 * Removes passwords from text. The password in a malformed URL cannot be located, so only parts that are
 * known to be harmless are kept.
 */

/**
 * A URL without a password, without parameters, and without any part that a parser could take for a password.
 */
const harmlessUrl =
  /^[a-z][a-z0-9+.-]*:\/\/(?:[\w.-]+@)?(?:[\w.-]+|\[[0-9a-f:]+\])?(?::\d{1,5})?(?:\/[\w./-]*)?$/i;
/** The characters between a user and a password or a host, or between a name and a value. */
const separators = /[:@=&#]/;
const secretWord = /pass|pwd|secret|token|credential/i;

/** One value, such as a setting; undefined means that the value must not be shown at all. */
export function redact(value: string): string | undefined {
  const scheme = /^([a-z][a-z0-9+.-]{0,11}):\/\//i.exec(value)?.[1];
  if (scheme !== undefined) return harmlessUrl.test(value) ? value : `${scheme}://…`;
  return separators.test(value) || secretWord.test(value) ? undefined : value;
}

/**
 * A URL up to a blank or a quotation mark. If an "@" follows on the line, the match reaches beyond the last
 * "@", because a password may reach up to there.
 */
const url = /\b([a-z][a-z0-9+.-]{0,11}):\/\/(?:[^\n]{0,500}@[^\s"'`]*|[^\s"'`]+)/gi;
/** A setting with a password. The end of the value is unknown, so the rest of the line is removed. */
const assignment =
  /((?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|(?:access|api|private)[_-]?key)["']?\s*(?:=|:\s)\s*)\S[^\n]*/gi;

/** A text, such as the message of another program or of a driver, with URLs and settings redacted. */
export function redactIn(text: string): string {
  return text
    .replace(url, (found: string, scheme: string) => (isHarmless(found) ? found : `${scheme}://…`))
    .replace(assignment, '$1…');
}

/** Whether a URL is harmless. The URL may be followed by the punctuation of its sentence. */
function isHarmless(found: string): boolean {
  return harmlessUrl.test(found.replace(/[.,:;)\]]+$/, ''));
}
