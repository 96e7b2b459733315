"""The application, built from settings, for tests and embedders. The process is ``chat_web.server``."""

from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from chat_core import Chat, Clock, Config, SystemClock, Tokens, open_chat, open_tokens
from chat_web import pages, routes
from chat_web.app_keys import CHAT
from chat_web.config.key_files import message_keys, previous_keys, private_key, signing_secret
from chat_web.config.settings import Settings
from chat_web.config.variables import SettingsError
from chat_web.http import errors, headers
from chat_web.http.auth import AUTHENTICATOR, Authenticator
from chat_web.http.trailing_slash import without_trailing_slash
from chat_web.monitoring import metrics
from chat_web.sockets.emulation import STREAMS, Streams
from chat_web.sockets.endpoints import ENGINE, engine
from chat_web.sockets.open_connections import PUMPS, Pumps, close_sockets, limits_of

BODY_BYTES_MAX: Final = 64 * 1024
PREVIOUS_KEYS_S: Final = 31 * 60.0


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    chat: Chat | None = None,
) -> web.Application:
    """Builds an application that is ready to run. It opens a chat at startup, unless ``chat`` is given.

    A given chat has its own tokens, so the key settings apply only to a chat that is opened here.
    """
    app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[without_trailing_slash])
    errors.install(app)
    headers.install(app, settings)
    pages.install(app)
    routes.install(app)
    app[PUMPS] = Pumps(limits_of(settings))
    app[ENGINE] = engine()
    app[STREAMS] = Streams()

    async def chat_running(app: web.Application) -> AsyncIterator[None]:
        running = chat
        if running is None:
            used = clock or SystemClock()
            tokens = tokens_of(settings, used.now())
            running = await open_chat(config_of(settings), clock=used, tokens=tokens)
        app[CHAT] = running
        app[AUTHENTICATOR] = Authenticator(running)
        metrics.install(app)
        yield
        app[metrics.FIGURES].stop()
        await close_sockets(app[PUMPS], spread_s=0.0)
        await app[ENGINE].finished()
        if chat is None:
            await running.stop()

    app.cleanup_ctx.append(chat_running)
    return app


def config_of(settings: Settings) -> Config:
    """The configuration of the core, from the settings."""
    return Config(
        database=settings.database,
        is_durable=settings.durability == "full",
        message_keys=message_keys(settings),
        default_channels=settings.default_channels,
        countdown_s=settings.countdown_s,
        notification_s=settings.notification_s,
        resume_s=settings.resume_s,
        rematch_after_s=settings.rematch_after_s,
        matcher=settings.matcher,
        guests_may_post=settings.guests_may_post,
        open_channels=settings.open_channels,
        texts_kept_s=settings.retention_s or None,
        login_creates_account=settings.login_creates_account,
        refresh_s=settings.refresh_token_s,
        messages_per_second=settings.messages_per_s,
        messages_burst=settings.messages_burst,
        searches_per_minute=settings.searches_per_minute,
        rate_limits=settings.rate_limits,
        flush_s=settings.flush_s,
    )


def tokens_of(settings: Settings, now: float) -> Tokens:
    """The keys that sign and verify tokens, from the settings. Raises ``SettingsError`` if one is invalid."""
    is_hs256 = settings.jwt_algorithm == "HS256"
    try:
        return open_tokens(
            secrets=[signing_secret(settings)] if is_hs256 else [],
            pems=[] if is_hs256 else [private_key(settings)],
            previous=previous_keys(settings),
            accepted_until=now + PREVIOUS_KEYS_S,
            user_token_s=settings.access_token_s,
        )
    except ValueError as error:
        variable = "JWT_SECRET_KEY" if is_hs256 else "JWT_PRIVATE_KEY_FILE"
        raise SettingsError(variable, f"or a previous key is {error}") from None
