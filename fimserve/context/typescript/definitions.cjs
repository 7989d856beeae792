// Answers questions for definitions, one JSON object a line, by the TypeScript compiler.
//
//   node definitions.cjs TYPESCRIPT_MODULE
//
// The first question opens a project: {"root", "files"}; each further one asks for places in a file:
// {"path", "text", "positions", "limit_ms"}. Only files of the project and the compiler's own
// declarations are ever read, and nothing of the project is run: a language service without tsserver
// loads no plugins.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const ts = require(process.argv[2]);

const MAX_FILE_BYTES = 1_000_000;
const MAX_PACKAGES = 300;

let root, service, project;

/** Return whether a file may be read: inside the project, through no link that leaves it. */
function isReadable(file) {
  try {
    const real = fs.realpathSync(file);
    const inside = real.startsWith(root + path.sep) && !real.includes(`${path.sep}node_modules${path.sep}`);
    const own = real.startsWith(path.dirname(ts.getDefaultLibFilePath({})) + path.sep);
    const stat = fs.statSync(real);
    return (inside || own) && stat.isFile() && (own || stat.size <= MAX_FILE_BYTES);
  } catch {
    return false;
  }
}

function readFile(file) {
  return isReadable(file) ? fs.readFileSync(file, "utf8") : undefined;
}

/** Return compiler options of the project's tsconfig.json, and what is wrong with it. */
function readOptions() {
  const file = path.join(root, "tsconfig.json");
  const fallback = {};
  if (!fs.existsSync(file)) return { options: fallback, problem: null };
  const read = ts.readConfigFile(file, readFile);
  if (read.error || typeof read.config !== "object") return { options: fallback, problem: "tsconfig" };
  const host = {
    useCaseSensitiveFileNames: true,
    fileExists: isReadable,
    readFile,
    readDirectory: () => [],
  };
  const parsed = ts.parseJsonConfigFileContent(read.config, host, root);
  // "No inputs were found" is ours: the files are given.
  const wrong = parsed.errors.filter((error) => error.code !== 18003 && error.code !== 18002);
  return { options: parsed.options, problem: wrong.length ? "tsconfig" : null };
}

/** Return where packages of the same repository have their sources: node_modules has only links. */
function findPackages(files) {
  const paths = {};
  const manifests = [...new Set(files.map((file) => path.dirname(file)))]
    .flatMap((folder) => [folder, path.dirname(folder)])
    .map((folder) => path.join(folder, "package.json"));
  for (const manifest of [...new Set(manifests)].slice(0, MAX_PACKAGES)) {
    try {
      const { name } = JSON.parse(readFile(manifest) ?? "{}");
      if (typeof name !== "string" || !name) continue;
      const folder = path.dirname(manifest);
      paths[name] = ["src/index", "index", "src"].map((inside) => path.join(folder, inside));
      paths[`${name}/*`] = ["src/*", "*"].map((inside) => path.join(folder, inside));
    } catch {
      // a broken manifest names no package
    }
  }
  return paths;
}

function open(question) {
  root = fs.realpathSync(question.root);
  const files = question.files.map((file) => path.join(root, file));
  const { options, problem } = readOptions();
  const texts = new Map();
  const versions = new Map();
  let deadline = Infinity;
  const host = {
    getCompilationSettings: () => ({
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      module: ts.ModuleKind.ESNext,
      jsx: ts.JsxEmit.Preserve,
      ...options,
      paths: { ...findPackages(files), ...options.paths },
      allowJs: true,
      checkJs: false,
      noEmit: true,
      types: [],
      plugins: undefined,
      skipLibCheck: true,
      maxNodeModuleJsDepth: 0,
    }),
    getScriptFileNames: () => files.concat([...texts.keys()].filter((file) => !known.has(file))),
    getScriptVersion: (file) => String(versions.get(file) ?? 0),
    getScriptSnapshot: (file) => {
      const text = texts.get(file) ?? readFile(file);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => root,
    getDefaultLibFileName: (settings) => ts.getDefaultLibFilePath(settings),
    fileExists: (file) => texts.has(file) || isReadable(file),
    readFile: (file) => texts.get(file) ?? readFile(file),
    directoryExists: (folder) => path.basename(folder) !== "node_modules" && fs.existsSync(folder),
    getDirectories: () => [],
    getCancellationToken: () => ({ isCancellationRequested: () => Date.now() > deadline }),
  };
  const known = new Set(files);
  project = {
    setDeadline: (limit) => (deadline = Date.now() + limit),
    setText: (file, text) => {
      if ((texts.get(file) ?? readFile(file)) === text) return;
      texts.set(file, text);
      versions.set(file, (versions.get(file) ?? 0) + 1);
    },
  };
  service = ts.createLanguageService(host, ts.createDocumentRegistry(true, root));
  service.getProgram();
  return { opened: files.length, problem };
}

function find(question) {
  const file = path.join(root, question.path);
  project.setText(file, question.text);
  project.setDeadline(question.limit_ms);
  const found = [];
  for (const position of question.positions) {
    for (const definition of service.getDefinitionAtPosition(file, position) ?? []) {
      if (!definition.fileName.startsWith(root + path.sep)) continue;
      const source = service.getProgram().getSourceFile(definition.fileName);
      const place = source.getLineAndCharacterOfPosition(definition.textSpan.start);
      found.push({
        path: path.relative(root, definition.fileName).split(path.sep).join("/"),
        name: definition.name,
        line: place.line,
      });
    }
  }
  return { found };
}

function answer(line) {
  try {
    const question = JSON.parse(line);
    return question.root === undefined ? find(question) : open(question);
  } catch (error) {
    if (error instanceof ts.OperationCanceledException) return { refused: "too slow" };
    return { refused: "compiler failed", detail: String(error?.message ?? error).slice(0, 200) };
  }
}

readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => process.stdout.write(JSON.stringify(answer(line)) + "\n"));
