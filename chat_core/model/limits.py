"""Every limit of the core that is not a setting, with its unit."""

from typing import Final

# Messages
CONTENT_LENGTH_MAX: Final = 1000  # code points
CLIENT_ID_LENGTH_MAX: Final = 128  # characters
ATTACHMENTS_MAX: Final = 10  # a message
DATA_LENGTH_MAX: Final = 65_536  # characters of JSON that is no message
EMOJI_LENGTH_MAX: Final = 32  # code points
MENTIONS_MAX: Final = 10  # names in a message that are looked at
REACTIONS_PER_MESSAGE_MAX: Final = 20  # different emoji
REACTORS_PER_EMOJI_MAX: Final = 1000  # people

# Conversations
CHANNEL_NAME_LENGTH_MAX: Final = 50  # characters of a-z 0-9 _ -
OPEN_NAME_LENGTH_MAX: Final = 255  # characters, where channels are open to all
CHANNEL_DESCRIPTION_LENGTH_MAX: Final = 500  # code points
TURN_ASKS_MAX: Final = 256  # commands decided and stored together
ASKS_WAITING_MAX: Final = 4096  # commands that wait for one conversation's turn
TURN_TRIES_MAX: Final = 5  # attempts of one turn before it is unavailable
CONVERSATIONS_LOADED_MAX: Final = 20_000  # idle ones above it are forgotten, oldest first

# Recovery
RECOVERY_EVENTS_MAX: Final = 300  # of a stored log
EPHEMERAL_EVENTS_MAX: Final = 100  # the last of a log of retention none
EPHEMERAL_KEPT_S: Final = 120.0  # after the end of its room
HISTORY_PAGE_MAX: Final = 300  # events a page
OPEN_ROOMS_SHOWN_MAX: Final = 200  # the newest open rooms, shown to who connects
RECENT_MESSAGES_MAX: Final = 50  # shown to who begins to follow
BACKLOG_MESSAGES_MAX: Final = 500  # shown to who comes back to where it was; above it, the recent ones
SEARCH_LENGTH_MAX: Final = 200  # code points of what is searched for
TERMS_SOUGHT_MAX: Final = 32  # different words of it; more are not looked for
TERM_LENGTH_MAX: Final = 64  # code points by which a long word is found

NOTIFICATIONS_KEPT_MAX: Final = 100  # a person's newest that no device was told yet

# Ages
RETENTION_SWEPT_S: Final = 3600.0  # between two looks at what is over its age
ENDED_ROOM_KEPT_S: Final = 30 * 86400.0  # after the end of a room
PAIRING_KEPT_S: Final = 30 * 86400.0  # who met in a lobby that keeps no text, after they parted

# Lobbies
QUEUE_LENGTH_MAX: Final = 10_000  # seekers
MATCHER_CYCLE_S: Final = 1.0  # between two looks at those who wait
INTERESTS_MAX: Final = 10
INTEREST_LENGTH_MAX: Final = 40  # code points

# People and connections
CONNECTIONS_PER_PERSON_MAX: Final = 10
VISITORS_MAX: Final = 100_000  # people who asked without a connection, before idle ones are forgotten
TOPICS_PER_CONNECTION_MAX: Final = 200
OUTBOX_BYTES_MAX: Final = 256 * 1024
MET_MAX: Final = 100  # pseudonyms that a person who is here can still block
BLOCKS_PER_PERSON_MAX: Final = 10_000
MEMBERS_PER_CHANNEL_MAX: Final = 10_000
HOLD_EVENTS_MAX: Final = 1000  # events kept for a connection whose history is being read
EVENT_OVERHEAD_BYTES: Final = 200  # what an event counts for in an embedded outbox, beside its text
VISIT_S: Final = 60.0  # how long a seeker without a connection keeps the place after asking for anything

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
SESSION_ENDS_S: Final = 30 * 86400.0  # after signing in, whatever is refreshed
GUEST_PASS_S: Final = 86460.0  # of a guest's session that cannot be refreshed: its token ends first
SESSION_STALE_S: Final = 30.0  # how old may be what is known about a session
SESSION_POLL_S: Final = 20.0  # between two looks at the sessions of live connections
SESSIONS_KNOWN_MAX: Final = 100_000
SESSIONS_SWEPT_S: Final = 3600.0  # between two times that ended sessions are forgotten
GUESSES_PER_ACCOUNT_MAX: Final = 5  # wrong passwords for one account from one source
GUESSES_PER_SOURCE_MAX: Final = 20
GUESSES_WITHIN_S: Final = 15 * 60.0
GUESSERS_MAX: Final = 50_000  # remembered at once
HASHES_AT_ONCE_MAX: Final = 2
HASHES_WAITING_MAX: Final = 32

# Alarms
RETRY_S: Final = 1.0  # a deadline whose commit failed is tried again after it
HEAL_S: Final = 5.0  # heads are compared with the log this often while a topic has followers
