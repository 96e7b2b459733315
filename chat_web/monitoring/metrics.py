"""``/metrics``: metrics of this node in the Prometheus text format. No personal data; few label values."""

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
    """Counts stored events; reads all other metrics when they are collected."""

    def __init__(self, chat: Chat, pumps: Pumps) -> None:
        self._chat = chat
        self._pumps = pumps
        self._events: Counter[type[Logged]] = Counter()
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.stop = chat.listen(self._count)

    def collect(self) -> Iterator[Metric]:
        """The metrics, for Prometheus."""
        chat = self._chat
        events = CounterMetricFamily("parley_events", "Events stored, by kind.", labels=["kind"])
        for kind, many in sorted(self._events.items(), key=lambda item: item[0].__name__):
            events.add_metric([kind.__name__], many)
        yield events
        waiting = GaugeMetricFamily("parley_waiting", "People waiting in a lobby.", labels=["lobby"])
        for name, queue in chat.lobbies.queues.items():
            waiting.add_metric([name], len(queue))
        yield waiting
        for name, words, value in (
            ("parley_connections", "Open sockets.", len(self._pumps.open)),
            ("parley_people", "People who are connected, or may still resume.", len(tuple(chat.people))),
            ("parley_topics", "Conversations with at least one subscriber.", len(chat.hub.topics())),
            ("parley_alarms", "Pending deadlines.", len(chat.alarms)),
            ("parley_tasks", "Running tasks of the core.", len(chat.tasks)),
        ):
            yield GaugeMetricFamily(name, words, value=value)

    def _count(self, after: Conversation, events: Sequence[Logged]) -> None:
        for event in events:
            self._events[type(event)] += 1


FIGURES: Final = web.AppKey("figures", Figures)


async def metrics(request: web.Request) -> web.Response:
    """``/metrics``: for requests from this machine, or with ``METRICS_TOKEN`` as a bearer token."""
    token = request.app[SETTINGS].metrics_token
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    is_known = scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode())
    if not (is_from_this_machine(request) or (token and is_known)):
        raise Rejected("unauthenticated", "Metrics are available from this machine, or with METRICS_TOKEN.")
    text = generate_latest(request.app[FIGURES].registry)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


def install(app: web.Application) -> None:
    """Starts counting. The application must already have its chat."""
    app[FIGURES] = Figures(app[CHAT], app[PUMPS])
