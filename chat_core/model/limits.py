"""Every limit of the core that is not a setting, with its unit."""

from typing import Final

# Messages
CONTENT_LENGTH_MAX: Final = 1000  # code points
CLIENT_ID_LENGTH_MAX: Final = 128  # characters
ATTACHMENTS_MAX: Final = 10  # per message
DATA_LENGTH_MAX: Final = 65_536  # characters of JSON that is not a message
EMOJI_LENGTH_MAX: Final = 32  # code points
MENTIONS_MAX: Final = 10  # names checked per message
REACTIONS_PER_MESSAGE_MAX: Final = 20  # different emoji
REACTORS_PER_EMOJI_MAX: Final = 1000  # people

# Conversations
CHANNEL_NAME_LENGTH_MAX: Final = 50  # characters of a-z 0-9 _ -
OPEN_NAME_LENGTH_MAX: Final = 255  # characters, if channels are open to all
CHANNEL_DESCRIPTION_LENGTH_MAX: Final = 500  # code points
TURN_ASKS_MAX: Final = 256  # commands decided and stored together
ASKS_WAITING_MAX: Final = 4096  # commands that wait for one conversation's turn
TURN_TRIES_MAX: Final = 5  # attempts per turn before ``Unavailable``
CONVERSATIONS_LOADED_MAX: Final = 20_000  # above it, idle conversations are unloaded, oldest first

# Recovery
RECOVERY_EVENTS_MAX: Final = 300  # of a stored log
EPHEMERAL_EVENTS_MAX: Final = 100  # the newest of an ephemeral log
EPHEMERAL_KEPT_S: Final = 120.0  # after the end of its room
HISTORY_PAGE_MAX: Final = 300  # events per page
OPEN_ROOMS_SHOWN_MAX: Final = 200  # the newest open rooms, sent on connect
RECENT_MESSAGES_MAX: Final = 50  # sent to a new follower
BACKLOG_MESSAGES_MAX: Final = 500  # sent to a client that recovers; above it, the recent ones
SEARCH_LENGTH_MAX: Final = 200  # code points of a query
TERMS_SOUGHT_MAX: Final = 32  # distinct words of a query; further words are ignored
TERM_LENGTH_MAX: Final = 64  # code points; a longer word is cut

NOTIFICATIONS_KEPT_MAX: Final = 100  # per person, the newest undelivered

# Retention
RETENTION_SWEPT_S: Final = 3600.0  # between two runs of retention
ENDED_ROOM_KEPT_S: Final = 30 * 86400.0  # after the end of a room
PAIRING_KEPT_S: Final = 30 * 86400.0  # pairings in a lobby that keeps no text, after they ended

# Lobbies
QUEUE_LENGTH_MAX: Final = 10_000  # seekers
MATCHER_CYCLE_S: Final = 1.0  # between two runs of the matcher
INTERESTS_MAX: Final = 10
INTEREST_LENGTH_MAX: Final = 40  # code points

# People and connections
CONNECTIONS_PER_PERSON_MAX: Final = 10
VISITORS_MAX: Final = 100_000  # people who asked without a connection, before idle ones are forgotten
TOPICS_PER_CONNECTION_MAX: Final = 200
OUTBOX_BYTES_MAX: Final = 256 * 1024
MET_MAX: Final = 100  # pseudonyms that an online person can still block
BLOCKS_PER_PERSON_MAX: Final = 10_000
MEMBERS_PER_CHANNEL_MAX: Final = 10_000
HOLD_EVENTS_MAX: Final = 1000  # events kept for a connection whose history is being read
EVENT_OVERHEAD_BYTES: Final = 200  # size of an event in an embedded outbox, in addition to its text
VISIT_S: Final = 60.0  # a seeker without a connection keeps their place this long after a request

# Accounts
USERNAME_LENGTH_MIN: Final = 3  # characters
USERNAME_LENGTH_MAX: Final = 32
EMAIL_LENGTH_MAX: Final = 254  # characters
PASSWORD_LENGTH_MIN: Final = 8  # code points
PASSWORD_LENGTH_MAX: Final = 128
DISPLAY_NAME_LENGTH_MAX: Final = 40  # code points
BIO_LENGTH_MAX: Final = 500  # code points
LANGUAGE_LENGTH_MAX: Final = 35  # characters of a language tag (RFC 5646)
AVATAR_URL_LENGTH_MAX: Final = 200  # characters
BIRTH_YEAR_MIN: Final = 1900
ACCOUNTS_PAGE_MAX: Final = 100
SESSION_ENDS_S: Final = 30 * 86400.0  # after signing in, regardless of refreshes
GUEST_PASS_S: Final = 86460.0  # of a guest's session without refresh: its token expires first
SESSION_STALE_S: Final = 30.0  # maximum age of cached session state
SESSION_POLL_S: Final = 20.0  # between two checks of the sessions of live connections
SESSIONS_KNOWN_MAX: Final = 100_000
SESSIONS_SWEPT_S: Final = 3600.0  # between two deletions of expired sessions
GUESSES_PER_ACCOUNT_MAX: Final = 5  # wrong passwords for one account from one source
GUESSES_PER_SOURCE_MAX: Final = 20
GUESSES_WITHIN_S: Final = 15 * 60.0
GUESSERS_MAX: Final = 50_000  # remembered at the same time
HASHES_AT_ONCE_MAX: Final = 2
HASHES_WAITING_MAX: Final = 32

# Alarms
RETRY_S: Final = 1.0  # before retrying a deadline whose commit failed
HEAL_S: Final = 5.0  # between two comparisons of heads with the log, while a topic has followers
