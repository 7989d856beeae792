#!/usr/bin/env bash
# Installs a real VS Code workbench (code-server 4.99.3, which is VS Code 1.99) from the npm registry alone,
# for tests of the extension; prints the folder it is in. About two minutes the first time.
#   usage: setup.sh [DIR]     default: a folder of the user's cache, which is used again
# Needs Node 20 with npm, python3, make and g++. Nothing else is downloaded where Node's headers are in
# /usr/include/node (Debian: libnode-dev).
set -euo pipefail
version=4.99.3
dir=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/fimserve-tests/workbench-$version}
if [ -f "$dir/.ready" ]; then echo "$dir"; exit; fi
rm -rf "$dir"
mkdir -p "$dir"
[ -d /usr/include/node ] && export npm_config_nodedir=/usr
export npm_config_audit=false npm_config_fund=false npm_config_loglevel=error npm_config_update_notifier=false

install() {
  cd "$dir"
  echo '{"private": true}' > package.json
  npm install "code-server@$version" --ignore-scripts
  # The argon2 it pins downloads a prebuilt binary; a newer one carries it in the package.
  mkdir argon2 && cd argon2 && echo '{"private": true}' > package.json && npm install argon2@0.44.0
  cd "$dir" && rm -rf node_modules/argon2 && cp -r argon2/node_modules/. node_modules/
  cd node_modules/code-server/lib/vscode
  rm -f npm-shrinkwrap.json extensions/npm-shrinkwrap.json  # they pin one package to a git address
  npm install --omit=dev --ignore-scripts
  for module in @vscode/spdlog @parcel/watcher native-watchdog node-pty @vscode/deviceid; do
    npm rebuild "$module"
  done
  ln -sfn node_modules node_modules.asar
  cd extensions && npm install --omit=dev --ignore-scripts
}
(install) >&2
touch "$dir/.ready"
echo "$dir"
