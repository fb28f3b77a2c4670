/** Unicode has several spellings of some letters, and an e-mail has cases; one account has one e-mail. */
export function normalizeEmail(email: string): string {
  return email.normalize('NFC').toLowerCase();
}
