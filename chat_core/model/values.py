"""Values: events, commands and their parts. Equal if their fields are equal; never changed.

``value`` is ``attrs.frozen`` to whoever reads the code, the type checker first of all:
an assignment does not pass ``mypy``. At run time the attributes are plain. Refusing an
assignment there makes attrs set each one by ``object.__setattr__``, which was an eighth
of all that a message costs.
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
