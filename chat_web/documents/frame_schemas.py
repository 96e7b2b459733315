"""JSON schemas of frames.

What a client sends has the schema of the struct that the server reads it with, so that
the document cannot differ from the decoder. What the server sends has the schema that
its example shows.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from chat_web.documents.dialect_docs import Dialogue, Frame

__all__ = ["FrameSchemas", "schema_of"]

_REFERENCE: Final = "#/components/schemas/{name}"
_KINDS: Final = ("type", "event", "method")  # fields that name the kind of a frame


class FrameSchemas:
    """The schemas of everything that clients say in these dialogues. ``components`` has the structs."""

    def __init__(self, dialogues: Sequence[Dialogue]) -> None:
        self._types = list(dict.fromkeys(shape for dialogue in dialogues for shape in _shapes(dialogue)))
        self._found, components = msgspec.json.schema_components(self._types, ref_template=_REFERENCE)
        self.components = dict(components)

    def asked(self, dialogue: Dialogue, frame: Frame) -> dict[str, Any]:
        """The schema of a frame of the client: its struct, narrowed to this kind of frame."""
        if isinstance(frame.example, str):
            text: dict[str, Any] = {"type": "string"}
            return text if frame.inner is None else {**text, "x-argument": self._of(frame.inner)}
        shapes = [self._of(shape) for shape in frame.shapes or dialogue.shapes]
        narrowed = _narrowed(frame.example)
        if frame.inner is not None:  # an RPC: its data is read by the method
            narrowed["properties"]["rpc"]["properties"]["data"] = self._of(frame.inner)
        return {"allOf": [shapes[0] if len(shapes) == 1 else {"anyOf": shapes}, narrowed]}

    def _of(self, shape: type) -> dict[str, Any]:
        return self._found[self._types.index(shape)]


def _shapes(dialogue: Dialogue) -> Iterator[type]:
    yield from dialogue.shapes
    for frame in dialogue.asked:
        yield from frame.shapes
        if frame.inner is not None:
            yield frame.inner


def _narrowed(example: dict[str, Any]) -> dict[str, Any]:
    """The fields that distinguish this kind of frame from others of the same struct."""
    parts = {name: value for name, value in example.items() if isinstance(value, dict)}
    kinds = {name: {"const": value} for name, value in example.items() if name in _KINDS}
    properties = {**kinds, **{name: _narrowed(value) for name, value in parts.items()}}
    return {"properties": properties, "required": list(parts)} if parts else {"properties": properties}


def schema_of(example: Any, name: str = "") -> dict[str, Any]:
    """The schema of a value like this one; what names a kind of frame is fixed."""
    match example:
        case dict():
            properties = {key: schema_of(value, key) for key, value in example.items()}
            return {"type": "object", "properties": properties, "required": list(example)}
        case list():
            return {"type": "array", "items": schema_of(example[0]) if example else {}}
        case bool():
            return {"type": "boolean"}
        case str() if name in _KINDS:
            return {"const": example}
        case str():
            return {"type": "string"}
        case int() | float():
            return {"type": "number"}
        case _:
            return {}  # null stands for something that is not there now
