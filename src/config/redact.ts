/** Text that may hold passwords, as it may be shown. */
export function redact(text: string): string {
  return text
    .replace(/(:\/\/[^:/?#@\s]*:).*@/s, '$1***@')
    .replace(/((?:^|[\s"'/])[^\s:/@"']*:)(?!\/\/)\S*@/g, '$1***@')
    .replace(/((?:ssl)?password\s*=\s*)('[^']*'|[^&\s]*)/gi, '$1***');
}
