"""``/metrics``: figures of this node in the Prometheus text format. Names of nobody, labels of few values."""

import hmac
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from chat_core import Chat, Conversation, Logged
from chat_web.app_keys import CHAT, SETTINGS
from chat_web.http.client_address import is_from_this_machine
from chat_web.http.errors import Rejected
from chat_web.sockets.open_connections import PUMPS, Pumps


class Figures:
    """Counts what is stored, and looks at the rest when it is asked."""

    def __init__(self, chat: Chat, pumps: Pumps) -> None:
        self._chat = chat
        self._pumps = pumps
        self._events: Counter[type[Logged]] = Counter()
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.stop = chat.listen(self._count)

    def collect(self) -> Iterator[Metric]:
        """What Prometheus reads."""
        chat = self._chat
        events = CounterMetricFamily("parley_events", "Events stored, by kind.", labels=["kind"])
        for kind, many in sorted(self._events.items(), key=lambda item: item[0].__name__):
            events.add_metric([kind.__name__], many)
        yield events
        waiting = GaugeMetricFamily("parley_waiting", "People who wait in a lobby.", labels=["lobby"])
        for name, queue in chat.lobbies.queues.items():
            waiting.add_metric([name], len(queue))
        yield waiting
        for name, words, value in (
            ("parley_connections", "Open sockets.", len(self._pumps.open)),
            ("parley_people", "People who are here, or within the grace of a drop.", len(tuple(chat.people))),
            ("parley_topics", "Conversations that somebody follows.", len(chat.hub.topics())),
            ("parley_alarms", "Deadlines that are set.", len(chat.alarms)),
            ("parley_tasks", "Tasks of the core that run now.", len(chat.tasks)),
        ):
            yield GaugeMetricFamily(name, words, value=value)

    def _count(self, after: Conversation, events: Sequence[Logged]) -> None:
        for event in events:
            self._events[type(event)] += 1


FIGURES: Final = web.AppKey("figures", Figures)


async def metrics(request: web.Request) -> web.Response:
    """``/metrics``: for this machine, or with ``METRICS_TOKEN`` as a bearer."""
    token = request.app[SETTINGS].metrics_token
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    is_known = scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode())
    if not (is_from_this_machine(request) or (token and is_known)):
        raise Rejected("unauthenticated", "Metrics are available from this machine, or with METRICS_TOKEN.")
    text = generate_latest(request.app[FIGURES].registry)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


def install(app: web.Application) -> None:
    """Begin to count. The chat must be there."""
    app[FIGURES] = Figures(app[CHAT], app[PUMPS])
