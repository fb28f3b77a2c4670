/**
 * Decodes base64url (RFC 4648 section 5, no padding) and accepts one spelling per value only: Node's decoder also
 * takes padding, whitespace, the other alphabet and stray trailing bits, so that several texts would name one
 * token and a cache or a denylist keyed by the text could be walked around.
 *
 * @returns the bytes, or undefined when the text is not the canonical spelling of any bytes
 */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}
