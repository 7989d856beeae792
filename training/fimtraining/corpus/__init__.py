"""Turn local clones of public repositories into a training corpus with a paper trail.

Three stages, each restartable: extract (one Parquet file per repository, filters and scrubbing
inside), select (exact and near duplicates across repositories, byte caps), write (final shards and
`manifest.json`, which counts what was kept and why the rest was dropped).

    python -m fimtraining.corpus scan CLONES_DIR --out repositories.toml
    python -m fimtraining.corpus build RECIPE.toml --clones CLONES_DIR --out DIR
"""
