"""The playground in the browser: static files, made from `src` by `make web`, served as they are.

`static/` is committed, so that neither running nor installing needs Node. `static/manifest.json`
names every file with its hash, and the hash of the sources it was made from.
"""
