"""The close codes of the transports are those of the core."""

import chat_core
from chat_core import Disconnect
from chat_web.documents.dialect_docs import CLOSE_CODES
from chat_web.transports import close_codes


def of_the_core() -> dict[str, Disconnect]:
    named = {name: getattr(chat_core, name) for name in chat_core.__all__}
    return {name: value for name, value in named.items() if isinstance(value, Disconnect)}


def test_a_transport_says_what_the_core_says() -> None:
    own = {name: getattr(close_codes, name) for name in close_codes.__all__ if name != "DO_NOT_COME_BACK"}
    assert own == {name: tuple(of_the_core()[name]) for name in own}


def test_every_code_of_the_core_is_in_the_documents() -> None:
    codes = {value.code for value in of_the_core().values() if value.code >= 3000}
    assert codes == {code for code in CLOSE_CODES if code >= 3000}
