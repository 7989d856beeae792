"""The protocol's messages where pygls reads them otherwise than we need.

Documents are ours, not pygls': it breaks lines at characters that end none in the protocol. Unknown
methods are answered with -32601 whatever their parameters, wrong parameters with -32602 and
requests before `initialize` with -32002, where pygls stays silent or fails. Notifications of
Copilot's superset arrive as they are.
"""

from collections.abc import Generator
from typing import Any

import attrs
from lsprotocol import types
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcMethodNotFound,
    JsonRpcServerNotInitialized,
)
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.protocol.json_rpc import MsgId, RPCMessage

__all__ = [
    "DID_PARTIALLY_ACCEPT",
    "DID_SHOW",
    "FimserveProtocol",
    "RawNotification",
    "asked_version",
]

DID_SHOW = "textDocument/didShowCompletion"
DID_PARTIALLY_ACCEPT = "textDocument/didPartiallyAcceptCompletion"


@attrs.define
class RawNotification:
    """A notification that the protocol's own types do not know."""

    method: str
    jsonrpc: str
    params: dict[str, Any] = attrs.field(factory=dict)


@attrs.define
class VersionedParams(types.InlineCompletionParams):
    """Parameters of a request for completions, with the version that Copilot's clients send."""

    version: int | None = None


@attrs.define
class _WrongRequest:
    """A request that cannot be read as its method wants."""

    id: MsgId
    method: str
    jsonrpc: str
    error: types.ResponseError


class FimserveProtocol(LanguageServerProtocol):
    """Reads and routes messages."""

    def get_message_type(  # type: ignore[override]
        self, method: str
    ) -> type[Any] | None:
        """Return the type of a method's messages."""
        if method in (DID_SHOW, DID_PARTIALLY_ACCEPT):
            return RawNotification
        found: type[Any] | None = super().get_message_type(method)
        return found

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Return a message in its type; a request that has none becomes an answer.

        Args:
            data: An object of a message, or a message itself.

        Returns:
            The object, the typed message, or what is wrong with a request.

        Raises:
            JsonRpcException: If a notification or response cannot be read.
        """
        try:
            message = super().structure_message(data)
        except JsonRpcException:
            if "id" not in data or "method" not in data:
                raise
            method = str(data["method"])
            error = self._complaint(method).to_response_error()
            return _WrongRequest(data["id"], method, "2.0", error)
        if isinstance(message, types.InlineCompletionRequest):
            version = data["params"]["textDocument"].get("version")
            message.params = VersionedParams(
                **attrs.asdict(message.params, recurse=False),
                version=version if isinstance(version, int) else None,
            )
        return message

    def handle_message(self, message: RPCMessage | _WrongRequest) -> None:
        """Handle a message, or answer what cannot be handled.

        Args:
            message: The message as `structure_message` made it.
        """
        refusal = self._refusal(getattr(message, "method", None))
        if refusal is not None:
            if (msg_id := getattr(message, "id", None)) is not None:
                self._send_response(msg_id, error=refusal.to_response_error())
        elif isinstance(message, _WrongRequest):
            self._send_response(message.id, error=message.error)
        else:
            super().handle_message(message)

    def _complaint(self, method: str) -> JsonRpcException:
        """Return what is wrong with a request that cannot be read."""
        if method in self.fm.features or method in self.fm.builtin_features:
            return JsonRpcInvalidParams(f"{method}: the parameters have a wrong shape")
        # Of a method that nobody here answers, no parameters are right.
        return JsonRpcMethodNotFound(f"Method Not Found: {method}")

    def _refusal(self, method: str | None) -> JsonRpcException | None:
        """Return why a message comes too early or too late; None if it does not."""
        if method is None or method == types.EXIT:
            return None
        if self._shutdown:
            return JsonRpcInvalidRequest("fimserve is shut down")
        if self._workspace is None and method != types.INITIALIZE:
            return JsonRpcServerNotInitialized("initialize comes first")
        return None

    @property
    def is_shut_down(self) -> bool:
        """Whether the editor asked to shut down."""
        return self._shutdown

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(
        self, params: types.DidOpenTextDocumentParams
    ) -> Generator[Any, Any, None]:
        """Hand an opened document on."""
        yield self.fm.features[types.TEXT_DOCUMENT_DID_OPEN], (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(
        self, params: types.DidChangeTextDocumentParams
    ) -> Generator[Any, Any, None]:
        """Hand changes on."""
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CHANGE], (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(
        self, params: types.DidCloseTextDocumentParams
    ) -> Generator[Any, Any, None]:
        """Hand a closed document on."""
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CLOSE], (params,), None


def asked_version(params: types.InlineCompletionParams) -> int | None:
    """Return the version of the document that a request is about, where the editor says it."""
    return params.version if isinstance(params, VersionedParams) else None
