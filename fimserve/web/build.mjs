// Makes static/ from src/: `make web`, which runs `npm ci` first. Needs Node 20.
//
// Two bundles, so that a change of ours leaves the large one alone: Monaco, and the page. Names
// carry a hash of the content, except index.html, which is what the server sends at `/`.

import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { LEFT_OUT, MENDED } from "./monaco_changes.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const SOURCES = join(HERE, "src");
const STATIC = join(HERE, "static");
const MONACO = join(HERE, "node_modules/monaco-editor");
const MONACO_MODULES = join(MONACO, "esm/vs") + sep;

const SHARED = {
  bundle: true,
  minify: true,
  charset: "utf8",
  format: "esm",
  target: "es2022",
  legalComments: "none",
  metafile: true,
  outdir: STATIC,
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".txt": "text", ".ttf": "empty" },
  logLevel: "warning",
};

const changeMonaco = {
  name: "change-monaco",
  setup(build) {
    build.onLoad({ filter: /\.js$/ }, ({ path }) => {
      if (!path.startsWith(MONACO_MODULES)) return undefined;
      const name = path.slice(MONACO_MODULES.length).split(sep).join("/");
      const contents = LEFT_OUT[name] ?? mend(path, MENDED[name]);
      return contents && { contents, loader: "js", resolveDir: dirname(path) };
    });
  },
};

function mend(path, change) {
  if (change === undefined) return undefined;
  const [found, wanted] = change;
  const parts = readFileSync(path, "utf8").split(found);
  if (parts.length !== 2) throw new Error(`${path} has no or several places to mend`);
  return parts.join(wanted);
}

function atAddress(address) {
  return {
    name: "at-address",
    setup(build) {
      build.onResolve({ filter: /^\.\/monaco$/ }, () => ({ path: address, external: true }));
    },
  };
}

async function bundle(entryPoints, plugins = []) {
  const built = await esbuild.build({ ...SHARED, entryPoints, plugins });
  return Object.keys(built.metafile.outputs).map((path) => basename(path));
}

function only(names, start, end) {
  const found = names.filter((name) => name.startsWith(`${start}-`) && name.endsWith(end));
  if (found.length !== 1) throw new Error(`${found.length} files are ${start}-*${end}, not one`);
  return found[0];
}

function sha256(content) {
  return createHash("sha256").update(content).digest("hex");
}

const BUILD_FILES = [
  "build.mjs",
  "monaco_changes.mjs",
  "package-lock.json",
  "package.json",
  "tsconfig.json",
];

// Tests compute the same in Python: over every source, its path, a zero byte, its content, another.
function hashOfSources() {
  const whole = createHash("sha256");
  const files = [...BUILD_FILES];
  for (const path of readdirSync(SOURCES, { recursive: true })) {
    if (statSync(join(SOURCES, path)).isFile()) files.push(join("src", path));
  }
  for (const path of files.map((file) => file.split(sep).join("/")).sort()) {
    whole.update(path).update("\0").update(readFileSync(join(HERE, path))).update("\0");
  }
  return whole.digest("hex");
}

function writePage(names) {
  let page = readFileSync(join(SOURCES, "index.html"), "utf8");
  page = page.replaceAll(/\{\{([a-z]+)(\.[a-z]+)\}\}/g, (_, start, end) => {
    return `/web/${only(names, start, end)}`;
  });
  writeFileSync(join(STATIC, "index.html"), page);
  writeFileSync(join(STATIC, "monaco-licence.txt"), licenceTexts());
}

function licenceTexts() {
  const notices = readFileSync(join(MONACO, "ThirdPartyNotices.txt"), "utf8");
  return `monaco-editor\n\n${readFileSync(join(MONACO, "LICENSE"), "utf8")}\n${notices}`;
}

function writeManifest(names) {
  const files = {};
  for (const name of ["index.html", "monaco-licence.txt", ...names].sort()) {
    const content = readFileSync(join(STATIC, name));
    files[name] = { bytes: content.length, sha256: sha256(content) };
  }
  const manifest = { sources_sha256: hashOfSources(), files };
  writeFileSync(join(STATIC, "manifest.json"), JSON.stringify(manifest, null, 2) + "\n");
  return files;
}

for (const name of [...Object.keys(LEFT_OUT), ...Object.keys(MENDED)]) {
  if (!existsSync(join(MONACO_MODULES, name))) throw new Error(`Monaco has no ${name} any more`);
}
rmSync(STATIC, { recursive: true, force: true });
mkdirSync(STATIC);
const editor = await bundle([join(SOURCES, "monaco.ts")], [changeMonaco]);
const page = await bundle(
  [join(SOURCES, "playground.ts"), join(SOURCES, "site.css"), join(SOURCES, "playground.css")],
  [atAddress(`./${only(editor, "monaco", ".js")}`)],
);
writePage([...editor, ...page]);
for (const [name, { bytes }] of Object.entries(writeManifest([...editor, ...page]))) {
  console.log(`${String(bytes).padStart(9)}  ${relative(HERE, join(STATIC, name))}`);
}
