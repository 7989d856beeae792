"""`python -m fimserve` is the `fimserve` command."""

from fimserve.cli.main import run

if __name__ == "__main__":
    run()
