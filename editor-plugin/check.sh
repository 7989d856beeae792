#!/usr/bin/env bash
# Check the extension as far as this machine allows; `make plugin-check` calls this.
# Its tests fail, what they lack does not: each thing that is left out is named.
set -euo pipefail
cd "$(dirname "$0")/.."
node_major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/' || true)
if [ "${node_major:-0}" -lt 20 ] || ! npm ping >/dev/null 2>&1; then
  echo "editor-plugin: not checked, needs Node 20 and the npm registry"
  exit
fi
make plugin
if ! command -v chromium chromium-browser google-chrome >/dev/null; then
  echo "editor-plugin: not driven in an editor, needs Chromium"
elif ! editor-plugin/workbench/setup.sh >/dev/null; then
  echo "editor-plugin: not driven in an editor, the workbench could not be installed"
else
  make plugin-e2e
fi
