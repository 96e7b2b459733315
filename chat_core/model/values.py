"""Values: events, commands and their parts. Equal if their fields are equal; never changed.

To the type checker ``value`` is ``attrs.frozen``: ``mypy`` rejects an assignment. At
run time the attributes are plain: to refuse assignments, attrs would set each attribute
by ``object.__setattr__``, which took an eighth of the time per message.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attrs import frozen as value
else:
    import attrs

    def value(cls: type | None = None, **options: Any) -> Any:
        """``attrs.define`` with equality and a hash by content."""
        return attrs.define(cls, unsafe_hash=True, **options)


__all__ = ["value"]
