/** E-mail addresses: which text is one, and the one spelling in which it is stored. */

/** Unicode has several spellings of some letters, and an e-mail has cases; one account has one e-mail. */
export function normalizeEmail(email: string): string {
  return email.normalize('NFC').toLowerCase();
}

// RFC 5322 dot-atom with letters of any script (RFC 6531), then a host name of at least two labels.
const localPart = /^[\p{L}\p{N}\p{M}!#$%&'*+/=?^_`{|}~-]+(?:\.[\p{L}\p{N}\p{M}!#$%&'*+/=?^_`{|}~-]+)*$/u;
const label = /^[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]{0,61}[\p{L}\p{N}\p{M}])?$/u;

/** An address that mail can be sent to: at most 64 characters, `@`, a domain of two or more labels. */
export function isEmail(text: string): boolean {
  const at = text.lastIndexOf('@');
  // The spelling that is stored can be the longer one: U+0130 has two characters in lower case.
  const length = Math.max(text.length, normalizeEmail(text).length);
  if (at < 1 || at > 64 || length > 254) return false;
  const labels = text.slice(at + 1).split('.');
  return labels.length >= 2 && localPart.test(text.slice(0, at)) && labels.every((part) => label.test(part));
}
