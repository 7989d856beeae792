// Names that nobody has guessed or given before.

/** Return random hexadecimal digits; randomUUID is missing where the page has no TLS. */
export function randomHex(numBytes: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(numBytes));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
