"""What the editor's user may set: on the command line, at the start, and while it runs.

Editors send options in `initializationOptions` and `workspace/didChangeConfiguration`, by names in
camelCase. A wrong one is said and left out, so that a slip in a settings file never takes the
completions away.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["DEFAULT_URL", "MAX_TOKENS", "LspOptions", "MergedOptions", "merge_options"]

DEFAULT_URL = "http://127.0.0.1:8111"
SECTION = "fimserve"
"""Name of our options among those of other programs."""
MAX_TOKENS = 512
EVERY_LANGUAGE = "*"
MAX_KEY_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class LspOptions:
    """What the language server runs with."""

    url: str = DEFAULT_URL
    """Server that completes: `http://host:port`, with or without `/v1` behind it."""
    api_key: str | None = field(default=None, repr=False)
    """Key for that server; from environment, file or editor, never from the command line."""
    model: str | None = None
    """Name of a served model or adapter; absent takes what is served."""
    multiline: bool | None = None
    """Whether completions may go past their first line; absent leaves it to the engine."""
    max_tokens: int = 64
    """Longest completion, 1 to 512 tokens."""
    languages: Mapping[str, bool] = field(default_factory=dict)
    """Language ids on and off; `*` stands for those not named, which are on by default."""
    context: bool = True
    """Whether pieces of other files of the same git repository are sent along."""
    events: bool = True
    """Whether the server is told what was shown, accepted and kept: ids and numbers, never code."""

    def is_on_for(self, language: str) -> bool:
        """Return whether documents of a language get completions."""
        return self.languages.get(language, self.languages.get(EVERY_LANGUAGE, True))

    @property
    def base_url(self) -> str:
        """The address without what people add to it."""
        return self.url.rstrip("/").removesuffix("/v1/completions").removesuffix("/v1")


class MergedOptions(NamedTuple):
    """Options after an editor's word, and what was wrong with it."""

    options: LspOptions
    problems: tuple[str, ...] = ()


def merge_options(base: LspOptions, given: object, is_start: bool) -> MergedOptions:
    """Return options with what an editor sent laid over them.

    A key belongs to the address it was given with: when the address changes while we run, for
    instance by the settings of a project that was just opened, the key does not follow to another
    host unless it is given again.

    Args:
        base: Options so far.
        given: What the editor sent: an object, or one that holds ours under `fimserve`.
        is_start: Whether these are the options of the start, as trusted as the command line.

    Returns:
        The options, and one sentence per mistake.
    """
    if given is None:
        return MergedOptions(base)
    if not isinstance(given, Mapping):
        return MergedOptions(base, ("options are no object; they are ignored",))
    ours = given.get(SECTION, given)
    if not isinstance(ours, Mapping):
        return MergedOptions(base, (f"{SECTION} is no object; it is ignored",))
    values: dict[str, object] = {}
    problems = []
    for name, value in ours.items():
        try:
            values |= _read_option(str(name), value, is_start)
        except ValueError as error:
            problems.append(str(error))
    merged = replace(base, **values)  # type: ignore[arg-type]
    if not is_start and "api_key" not in values and _origin(merged.url) != _origin(base.url):
        merged = replace(merged, api_key=None)
        if base.api_key is not None:
            problems.append("url changed to another host; the API key is not sent there")
    return MergedOptions(merged, tuple(problems))


def _read_option(name: str, value: object, is_start: bool) -> dict[str, object]:
    """Return the field that an option sets; ValueError says what is wrong with it."""
    if value is None and name in _OPTIONS:
        # As everywhere, null is the same as absent.
        return {}
    match name, value:
        case "url", str() if _is_address(value):
            return {"url": value}
        case (("apiKey" | "model"), str()) if value.isprintable() and value.strip():
            return {_field_name(name): value.strip()}
        case "apiKeyFile", _ if not is_start:
            # Settings that come later may be a project's: they must not pick files to send.
            raise ValueError("apiKeyFile is read at the start only; it is ignored")
        case "apiKeyFile", str():
            return {"api_key": read_key_file(Path(value).expanduser())}
        case (("multiline" | "context" | "events"), bool()):
            return {name: value}
        case "maxTokens", int() if not isinstance(value, bool) and 1 <= value <= MAX_TOKENS:
            return {"max_tokens": value}
        case "languages", Mapping() if all(isinstance(is_on, bool) for is_on in value.values()):
            return {"languages": {str(key): is_on for key, is_on in value.items()}}
    if name not in _OPTIONS:
        nearest = difflib.get_close_matches(name, _OPTIONS, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"known: {', '.join(_OPTIONS)}"
        raise ValueError(f"unknown option {name!r}; {hint}")
    raise ValueError(f"{name} is not {_OPTIONS[name]}; it is ignored")


def read_key_file(file: Path) -> str:
    """Return the API key that a file holds.

    Args:
        file: The file; blanks around the key are left out.

    Returns:
        The key.

    Raises:
        ValueError: If there is no such file, or no key in it.
    """
    try:
        with file.open("rb") as opened:
            key = opened.read(MAX_KEY_BYTES).decode("ascii").strip()
    except OSError as error:
        raise ValueError(f"cannot read the API key file: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("the API key file holds no key") from None
    if not key or not key.isprintable():
        raise ValueError("the API key file holds no key")
    return key


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        is_plain = parts.username is None and parts.port != 0
        return parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _field_name(option: str) -> str:
    return {"apiKey": "api_key", "maxTokens": "max_tokens"}.get(option, option)


_OPTIONS = {
    "url": "an address such as http://127.0.0.1:8111",
    "apiKey": "a text on one line",
    "apiKeyFile": "the name of a file",
    "model": "a text on one line",
    "multiline": "true or false",
    "maxTokens": f"a number from 1 to {MAX_TOKENS}",
    "languages": 'an object such as {"*": true, "markdown": false}',
    "context": "true or false",
    "events": "true or false",
}
"""Names that editors use, and what each may be."""
