/** Standard output: flushed, and without an error if the reader has closed the pipe. */

/**
 * Ends the program if a reader has closed the pipe, as in `holdfast status | head`. The exit status is
 * unchanged: the work before was no failure.
 */
export function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit();
    });
  }
}

/** Resolves once the text has been written. */
export function print(text: string | Buffer): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}

/** Prints each line with a newline. Resolves once the lines have been written. */
export function printLines(lines: readonly string[]): Promise<void> {
  return print(lines.map((line) => `${line}\n`).join(''));
}

/** Prints a value as indented JSON. Resolves once the value has been written. */
export function printJson(value: unknown): Promise<void> {
  return print(`${JSON.stringify(value, null, 2)}\n`);
}

/** A row with its keys in snake case, like SQL columns. */
export function asSql(row: object): Record<string, unknown> {
  const named = Object.entries(row).map(([key, value]) => [
    key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return Object.fromEntries(named) as Record<string, unknown>;
}
