// Addresses of servers as users write them.

/** Whether a text is an address that can be asked: one without its `http://` is none. */
export function isAddress(url: string): boolean {
  return /^https?:\/\//i.test(url) && URL.canParse(url);
}

/** Returns what a key is kept for, scheme, host and port; null where the text is no address. */
export function originOf(url: string): string | null {
  return isAddress(url) ? new URL(url).origin : null;
}
