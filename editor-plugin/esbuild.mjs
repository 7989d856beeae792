// Builds dist/extension.cjs: one file for Node's extension host and the browser's alike, since nothing
// in src uses more than VS Code's interface and what both have.
import { build } from "esbuild";

await build({
  entryPoints: ["src/extension.ts"],
  outfile: "dist/extension.cjs",
  bundle: true,
  format: "cjs",
  platform: "browser",
  target: "es2022",
  external: ["vscode"],
  minify: process.argv.includes("--minify"),
  sourcemap: process.argv.includes("--minify") ? false : "inline",
  legalComments: "eof",
  logLevel: "warning",
});
