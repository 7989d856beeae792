// The path that the model is told: inside its folder, never one of this machine.

/** Returns the path of a document below its folder, with slashes; its name alone without a folder. */
export function findDocumentPath(uri: string, folderUris: readonly string[]): string | null {
  const path = decode(uri);
  const folders = folderUris.map((each) => decode(each).replace(/\/*$/, "/"));
  const folder = folders
    .filter((each) => path.startsWith(each))
    .reduce((longest, each) => (each.length > longest.length ? each : longest), "");
  const told = folder === "" ? path.slice(path.lastIndexOf("/") + 1) : path.slice(folder.length);
  return /^untitled:/.test(uri) || told === "" ? null : told;
}

function decode(uri: string): string {
  const bare = uri.replace(/[?#].*$/, "");
  try {
    return decodeURIComponent(bare);
  } catch {
    return bare;
  }
}
