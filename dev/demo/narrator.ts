// Tells what happens: numbered steps with the time since the beginning, SQL as a client types it, and its rows.
const width = 96;

export class Narrator {
  #began = performance.now();
  #steps = 0;

  /** Seconds since the beginning. */
  get elapsed(): number {
    return (performance.now() - this.#began) / 1000;
  }

  act(title: string): void {
    console.log(`\n\n${title}\n${'='.repeat(title.length)}`);
  }

  step(title: string): void {
    this.#steps += 1;
    const heading = `${String(this.#steps).padStart(2)}. ${title}`;
    console.log(`\n${heading.padEnd(width - 9)}${this.elapsed.toFixed(1).padStart(7)} s`);
  }

  say(text: string): void {
    for (const line of text.trimEnd().split('\n')) console.log(`    ${line}`);
  }

  command(line: string): void {
    this.say(`$ ${line}`);
  }

  sql(user: string, text: string): void {
    const [first, ...others] = text.split('\n');
    this.say(
      [`${user}=> ${first}`, ...others.map((line) => `${' '.repeat(user.length)}-> ${line}`)].join('\n'),
    );
  }

  rows(rows: Record<string, string | number | null>[]): void {
    for (const row of rows) {
      const cells = Object.entries(row).map(([name, value]) => `${name} = ${shown(value)}`);
      this.say(cells.join('   '));
    }
  }
}

function shown(value: string | number | null): string {
  return value === null ? '(null)' : String(value);
}
