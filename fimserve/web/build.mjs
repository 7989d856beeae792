// Makes static/ from src/: `make web`, which runs `npm ci` first. Needs Node 20.
//
// Bundles by themselves, so that a change of ours leaves the large one alone: Monaco, the playground,
// the dashboard. Names carry a hash of the content, except index.html and dashboard.html, which are
// what the server sends at `/` and `/dashboard`. Charts are written in Vega-Lite and become Vega's
// dataflows here, so that neither compiler nor parser has to be sent.

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
import { parse } from "vega";
import { compile } from "vega-lite";
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

const compileCharts = {
  name: "compile-charts",
  setup(build) {
    const config = JSON.parse(readFileSync(join(SOURCES, "charts/config.json"), "utf8"));
    build.onLoad({ filter: /\.vl\.json$/ }, ({ path }) => {
      const { spec } = compile({ ...JSON.parse(readFileSync(path, "utf8")), config });
      // Expressions as trees: the page interprets them.
      const dataflow = parse(spec, undefined, { ast: true });
      return { contents: JSON.stringify(dataflow), loader: "json" };
    });
  },
};

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
  const names = Object.keys(built.metafile.outputs).map((path) => basename(path));
  return { names, inputs: Object.keys(built.metafile.inputs) };
}

function only(names, start, end) {
  const found = names.filter((name) => name.startsWith(`${start}-`) && name.endsWith(end));
  if (found.length !== 1) throw new Error(`${found.length} files are ${start}-*${end}, not one`);
  return found[0];
}

function sha256(content) {
  return createHash("sha256").update(content).digest("hex");
}

const PLAIN_NAMES = ["dashboard.html", "index.html", "monaco-licence.txt", "vega-licence.txt"];

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

function writePage(file, names) {
  let page = readFileSync(join(SOURCES, file), "utf8");
  page = page.replaceAll(/\{\{([a-z]+)(\.[a-z]+)\}\}/g, (_, start, end) => {
    return `/web/${only(names, start, end)}`;
  });
  writeFileSync(join(STATIC, file), page);
}

function writeLicences(inputs) {
  writeFileSync(join(STATIC, "monaco-licence.txt"), licenceTexts());
  const packages = new Set(
    inputs.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]).filter(Boolean),
  );
  const texts = [...packages, "vega-lite"].sort().map((name) => {
    const folder = join(HERE, "node_modules", name);
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    return `${name}\n\n${file === undefined ? licenceOf(folder) : readFileSync(join(folder, file), "utf8")}`;
  });
  writeFileSync(join(STATIC, "vega-licence.txt"), texts.join("\n\n"));
}

function licenceOf(folder) {
  const { license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return `${license}\n`;
}

function licenceTexts() {
  const notices = readFileSync(join(MONACO, "ThirdPartyNotices.txt"), "utf8");
  return `monaco-editor\n\n${readFileSync(join(MONACO, "LICENSE"), "utf8")}\n${notices}`;
}

function writeManifest(names) {
  const files = {};
  for (const name of [...PLAIN_NAMES, ...names].sort()) {
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
const site = await bundle([join(SOURCES, "site.css")]);
const playground = await bundle(
  [join(SOURCES, "playground.ts"), join(SOURCES, "playground.css")],
  [atAddress(`./${only(editor.names, "monaco", ".js")}`)],
);
const dashboard = await bundle(
  [join(SOURCES, "dashboard.ts"), join(SOURCES, "dashboard.css")],
  [compileCharts],
);
const names = [editor, site, playground, dashboard].flatMap((built) => built.names);
writePage("index.html", names);
writePage("dashboard.html", names);
writeLicences(dashboard.inputs);
for (const [name, { bytes }] of Object.entries(writeManifest(names))) {
  console.log(`${String(bytes).padStart(9)}  ${relative(HERE, join(STATIC, name))}`);
}
