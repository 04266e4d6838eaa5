// Reads a client's first words of the PostgreSQL protocol, as far as its application_name.

const sslRequest = 80877103;
const gssEncryptionRequest = 80877104;

export class StartupReader {
  #bytes: Buffer = Buffer.alloc(0);

  /** Takes the next bytes from the client; the application_name once the startup packet is complete, '' if unnamed. */
  read(bytes: Buffer): string | undefined {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    while (this.#bytes.length >= 8) {
      const length = this.#bytes.readUInt32BE(0);
      const code = this.#bytes.readUInt32BE(4);
      if (code === sslRequest || code === gssEncryptionRequest) {
        // Asks for encryption, which the tests' servers refuse; the startup packet comes next.
        this.#bytes = this.#bytes.subarray(length);
        continue;
      }
      if (this.#bytes.length < length) return undefined;
      return applicationName(this.#bytes.subarray(8, length));
    }
    return undefined;
  }
}

/** Name, value, name, value, …, each ended by a zero byte; a cancel request has none of them. */
function applicationName(parameters: Buffer): string {
  const words = parameters.toString('utf8').split('\0');
  const at = words.findIndex((word, index) => index % 2 === 0 && word === 'application_name');
  return at < 0 ? '' : (words[at + 1] ?? '');
}
