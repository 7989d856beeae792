"""How the tables came to be, version by version; run by `fimserve.telemetry.migrate`."""
