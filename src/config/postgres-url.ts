/**
 * Checks a URL of PostgreSQL as the driver reads the URL. A URL that the driver would read in another way
 * than intended is refused: a part of the password would become the port, the database or a parameter, and
 * errors would show that part.
 */

/**
 * The URL unchanged.
 * @throws RangeError where the URL is wrong; the message is a predicate, such as "is not …"
 */
export function parsePostgresUrl(text: string): string {
  if (!/^postgres(ql)?:\/\//.test(text))
    throw new RangeError('does not begin with postgres:// or postgresql://');
  if (!isWellFormed(text)) {
    throw new RangeError(
      'is malformed (special characters in a user, a password or a name of a database have to be percent-encoded)',
    );
  }
  return text;
}

function isWellFormed(text: string): boolean {
  // The driver pg does the same: an empty host after a user is the default host.
  const filled = text.replace('@/', '@localhost/');
  if (!URL.canParse(filled) || text.includes('#')) return false;
  const { username, password, hostname, pathname, search } = new URL(filled);
  return [username, password, hostname, pathname].every(canBeDecoded) && !hasStrayAt(pathname, search);
}

/**
 * Whether an "@" stands behind the host. Such an "@" ends a password that contains "/" or "?", unless the "@"
 * is in the value of a parameter.
 */
function hasStrayAt(pathname: string, search: string): boolean {
  if (pathname.includes('@')) return true;
  const parameters = search.slice(1).split('&');
  return parameters.some((parameter) => parameter.includes('@') && !/^[a-z_]+=/.test(parameter));
}

function canBeDecoded(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}
