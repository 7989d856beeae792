"""The served model as Ollama's clients want it described: lists, details, template, parameters.

Editors decide by these whether the model can fill in the middle, how long its context is and where
it stops; nothing here is read by the service itself.
"""

import hashlib
import json
from datetime import UTC, datetime

from fimserve.engine import ModelCard
from fimserve.prompt import FimFormat, Order, load_format
from fimserve.prompt.template import Marker, Slot
from fimserve.server.routes.ollama_fields import DEFAULTS
from fimserve.server.service import Service

__all__ = ["describe_model", "list_models", "list_running", "write_time"]

SLOTS = {"prefix": "{{ .Prompt }}", "suffix": "{{ .Suffix }}"}
"""How Ollama's templates write what we call prefix and suffix. Continue asks for the second."""

NEVER = "2318-01-01T00:00:00Z"
"""When the model is unloaded: the date that Ollama gives where it is told never to."""

QUANTISATION_LEVELS = {"fp32": "F32", "bf16": "BF16", "int8": "Q8_0", "int8-dynamic": "Q8_0"}
"""Ollama's nearest name for each precision."""


def list_models(service: Service) -> dict[str, object]:
    """Return the body of `/api/tags`: every name that the model, or an adapter over it, goes by."""
    card = service.engine.card
    names = (*service.names.listed, *service.engine.stats().adapters)
    return {"models": [_entry(name, card, service.started_unix_s) for name in names]}


def list_running(service: Service) -> dict[str, object]:
    """Return the body of `/api/ps`: the same names, since all of them stay in memory."""
    card = service.engine.card
    on_gpu = (service.device or "").startswith("cuda")
    names = (*service.names.listed, *service.engine.stats().adapters)
    return {
        "models": [
            {
                "name": name,
                "model": name,
                "size": card.num_bytes,
                "digest": _digest(name),
                "details": _details(card),
                "expires_at": NEVER,
                "size_vram": card.num_bytes if on_gpu else 0,
                "context_length": card.max_context_tokens,
            }
            for name in names
        ]
    }


def describe_model(service: Service) -> dict[str, object]:
    """Return the body of `/api/show`; adapters answer like the model they stand on."""
    card = service.engine.card
    return {
        "license": "",
        "modelfile": "",
        "parameters": _parameters(card),
        "template": _template(card),
        "details": _details(card),
        "model_info": {
            "general.architecture": card.architecture,
            "general.parameter_count": card.num_parameters,
            f"{card.architecture}.context_length": card.max_context_tokens,
        },
        "capabilities": _capabilities(card),
        "modified_at": write_time(service.started_unix_s),
    }


def write_time(unix_s: float) -> str:
    """Return a time as RFC 3339 has it, in UTC."""
    moment = datetime.fromtimestamp(unix_s, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _entry(name: str, card: ModelCard, modified_unix_s: float) -> dict[str, object]:
    return {
        "name": name,
        "model": name,
        "modified_at": write_time(modified_unix_s),
        "size": card.num_bytes,
        "digest": _digest(name),
        "details": _details(card),
        "capabilities": _capabilities(card),
    }


def _digest(name: str) -> str:
    # Of the name, not of the weights: clients only tell models apart by it.
    return hashlib.sha256(name.encode()).hexdigest()


def _details(card: ModelCard) -> dict[str, object]:
    return {
        "parent_model": "",
        "format": "safetensors",
        "family": card.architecture,
        "families": [card.architecture],
        "parameter_size": _spell_count(card.num_parameters),
        "quantization_level": QUANTISATION_LEVELS.get(card.precision, card.precision),
    }


def _capabilities(card: ModelCard) -> list[str]:
    return ["completion"] if card.fim_family is None else ["completion", "insert"]


def _parameters(card: ModelCard) -> str:
    # One a line; Continue reads the stops as JSON strings.
    lines = [
        f"num_ctx {card.max_context_tokens}",
        f"num_predict {DEFAULTS.num_predict}",
        f"temperature {DEFAULTS.temperature:g}",
    ]
    if card.fim_family is not None:
        fim_format = load_format(card.fim_family)
        # The file marker, too: behind it the model would begin another file.
        ends = [fim_format.end, *filter(None, [fim_format.markers.get("file")])]
        lines += [f"stop {json.dumps(end, ensure_ascii=False)}" for end in ends]
    return "\n".join(lines)


def _template(card: ModelCard) -> str:
    if card.fim_family is None or card.order is None:
        return SLOTS["prefix"]
    return _write_template(load_format(card.fim_family), card.order)


def _write_template(fim_format: FimFormat, order: Order) -> str:
    """Return the layout of a prompt without context, in Ollama's template language."""
    written = ""
    for piece in fim_format.template(order):
        if isinstance(piece, Marker):
            written += fim_format.marker_texts.get(piece.role, fim_format.markers[piece.role])
        elif isinstance(piece, Slot):
            written += " " if piece.name == "blank" else SLOTS.get(piece.name, "")
        else:
            written += piece.text
    return written


def _spell_count(number: int) -> str:
    return f"{number / 1e9:.1f}B" if number >= 1e9 else f"{number / 1e6:.1f}M"
