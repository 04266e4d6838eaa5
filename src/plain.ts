/**
 * Escapes control characters and changes of the writing direction in text for a terminal. A user who may
 * insert a request, or write to a repository, must not be able to move the cursor of a user who displays the
 * text. Newlines and tabs become blanks.
 */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    if (character === '\n' || character === '\t') return ' ';
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
