/**
 * A URL of PostgreSQL, as the driver reads it. What the driver would read in another way than its writer meant it is
 * refused: there, a part of the password would become the port, the database or a parameter, and be shown with them.
 */

/** @throws RangeError with a predicate: "is not …" */
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
  // As pg itself does: an empty host after a user is the default one.
  const filled = text.replace('@/', '@localhost/');
  if (!URL.canParse(filled) || text.includes('#')) return false;
  const { username, password, hostname, pathname, search } = new URL(filled);
  return [username, password, hostname, pathname].every(canBeDecoded) && !hasStrayAt(pathname, search);
}

/** An "@" behind the host ends a password that has a "/" or a "?" in it, unless it is in the value of a parameter. */
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
