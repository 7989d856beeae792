#!/usr/bin/env bash
# Checks the extension as far as this machine can: what its tests find fails, what the machine lacks is said.
set -euo pipefail
cd "$(dirname "$0")/.."
node_major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/' || true)
if [ "${node_major:-0}" -lt 20 ] || ! npm ping >/dev/null 2>&1; then
  echo "editor-plugin: not checked, needs Node 20.19 and the npm registry"
  exit
fi
make plugin
if ! command -v "${FIMSERVE_CHROMIUM:-chromium}" chromium-browser google-chrome >/dev/null; then
  echo "editor-plugin: not driven in an editor, needs Chromium"
elif ! editor-plugin/workbench/setup.sh >/dev/null; then
  echo "editor-plugin: not driven in an editor, the workbench could not be installed"
else
  make plugin-e2e
fi
