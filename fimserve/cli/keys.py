"""`fimserve keys`: makes, lists and revokes the API keys that a service asks for.

A running service notices by itself. A key is printed once, when it is made; only its hash is kept.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fimserve.cli.failure import Failure, UsageFailure

if TYPE_CHECKING:
    from fimserve.server.api_key import ApiKey
    from fimserve.server.key_file import KeyFile

__all__ = ["app", "create", "list_keys", "revoke"]

app = typer.Typer(
    help="Make, list and revoke API keys.", no_args_is_help=True, add_completion=False
)

KeysOption = Annotated[
    Path | None,
    typer.Option(
        "--keys", help="File of keys. Default: server.keys of the settings.", dir_okay=False
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        help="Settings file.", show_default="fimserve.toml where there is one", dir_okay=False
    ),
]

DAYS = re.compile(r"([1-9][0-9]{0,4})d")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call the key, such as alice-laptop.")],
    tenant: Annotated[
        str | None,
        typer.Option(help="Whose it is; keys of one tenant share a cache.", show_default="NAME"),
    ] = None,
    scopes: Annotated[
        str, typer.Option(help="What it may do: complete, events, admin; comma-separated.")
    ] = "complete,events",
    expires: Annotated[
        str | None,
        typer.Option(help="90d, or a date such as 2027-01-31 (UTC).", show_default="never"),
    ] = None,
    keys: KeysOption = None,
    config: ConfigOption = None,
) -> None:
    """Make a key and print it, this once."""
    from fimserve.server.api_key import ApiKey, ApiKeyError, mint_key

    expires_at = None if expires is None else parse_expiry(expires, datetime.now(UTC))
    asked = frozenset(scope.strip() for scope in scopes.split(","))
    try:
        minted = mint_key(name, tenant or name, asked, expires_at)  # type: ignore[arg-type]
    except ApiKeyError as error:
        raise UsageFailure(str(error)) from None

    def add(known: tuple[ApiKey, ...]) -> Sequence[ApiKey]:
        if any(key.name == name for key in known):
            raise Failure(f"a key named {name!r} exists; `fimserve keys revoke {name}` first")
        return (*known, minted.key)

    file = open_key_file(keys, config)
    with _explained():
        file.change(add)
    # The key alone on standard output: KEY=$(fimserve keys create ...)
    print(minted.text)
    until = "for good" if expires_at is None else f"until {expires_at.isoformat()}"
    print(
        f"{name}: tenant {minted.key.tenant}, may {scopes}, {until}. "
        "It cannot be shown again; clients send it as Authorization: Bearer KEY.",
        file=sys.stderr,
    )


@app.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    keys: KeysOption = None,
    config: ConfigOption = None,
) -> None:
    """Say which keys there are: everything but the keys themselves."""
    with _explained():
        known = open_key_file(keys, config).read()
    now = datetime.now(UTC)
    rows = [_describe(key, now) for key in known]
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    columns = ("id", "name", "tenant", "scopes", "created", "expires", "state")
    table = [columns, *(tuple(row[column] for column in columns) for row in rows)]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    for line in table:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Name or id of the key.")],
    keys: KeysOption = None,
    config: ConfigOption = None,
) -> None:
    """Make a key worthless, from the next request on."""
    from fimserve.server.api_key import ApiKey

    def remove(known: tuple[ApiKey, ...]) -> Sequence[ApiKey]:
        kept = [key for key in known if name not in (key.name, key.id)]
        if len(kept) == len(known):
            raise Failure(f"there is no key {name!r}; `fimserve keys list` shows them")
        return kept

    file = open_key_file(keys, config)
    with _explained():
        file.change(remove)
    print(f"{name} is revoked", file=sys.stderr)


def open_key_file(keys: Path | None, config: Path | None) -> "KeyFile":
    """Return the file of keys that the settings name.

    Args:
        keys: The file, where the command line names it.
        config: Settings file, where the command line names it.

    Returns:
        The file, which need not exist.

    Raises:
        UsageFailure: If nobody names a file.
    """
    from fimserve.cli.settings import find_config, load_settings
    from fimserve.server.key_file import KeyFile

    path = load_settings({}, {"keys": keys}, config or find_config()).server.keys
    if path is None:
        raise UsageFailure(
            "no file of keys is named; use --keys FILE, FIMSERVE_SERVER_KEYS, or keys of [server] "
            "in fimserve.toml, and the same for `fimserve serve`"
        )
    return KeyFile(path)


def parse_expiry(text: str, now: datetime) -> datetime:
    """Return the time that an expiry stands for.

    Args:
        text: A number of days (`90d`), or a date or time; UTC where it names no zone.
        now: The present time.

    Returns:
        The time, with its zone.

    Raises:
        UsageFailure: If it is neither, or over already.
    """
    if days := DAYS.fullmatch(text):
        return (now + timedelta(days=int(days[1]))).replace(microsecond=0)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageFailure(f"expires is {text!r}; write 90d, or a date: 2027-01-31") from None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    if time <= now:
        raise UsageFailure(f"expires is {text!r}; that time is over")
    return time


def _describe(key: "ApiKey", now: datetime) -> dict[str, str]:
    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "scopes": ",".join(sorted(key.scopes)),
        "created": key.created_at.isoformat(),
        "expires": key.expires_at.isoformat() if key.expires_at else "never",
        "state": "expired" if key.is_expired(now) else "valid",
    }


@contextmanager
def _explained() -> Iterator[None]:
    from fimserve.server.key_file import KeyFileError

    try:
        yield
    except KeyFileError as error:
        raise Failure(str(error)) from None
