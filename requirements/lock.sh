#!/bin/sh
# Write requirements/*.lock with pip-compile; `make lock` calls this.
set -eu
options="--quiet --upgrade --strip-extras --allow-unsafe --no-annotate --no-header
  --no-emit-index-url --no-emit-find-links"
pip-compile $options --extra dev -o requirements/dev.lock pyproject.toml requirements/cpu.in
pip-compile $options -c requirements/dev.lock -o requirements/serve.lock \
  pyproject.toml requirements/cpu.in
# The project names itself through its extras; it is installed from the checkout, not from a lock.
sed -i '/^fimserve/d; /^#/d; /^$/d' requirements/dev.lock requirements/serve.lock
# "+cpu" names one build of the same release; whichever the index offers will do.
sed -i 's/+cpu$//' requirements/dev.lock requirements/serve.lock
