"""Every limit of the core that is not a setting, with its unit."""

from typing import Final

# Messages
CONTENT_LENGTH_MAX: Final = 1000  # code points
CLIENT_ID_LENGTH_MAX: Final = 128  # characters
ATTACHMENTS_MAX: Final = 10  # a message
EMOJI_LENGTH_MAX: Final = 32  # code points
REACTIONS_PER_MESSAGE_MAX: Final = 20  # different emoji
REACTORS_PER_EMOJI_MAX: Final = 1000  # people

# Conversations
CHANNEL_NAME_LENGTH_MAX: Final = 50  # characters of a-z 0-9 _ -
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
RECENT_MESSAGES: Final = 50  # shown to who begins to follow
BACKLOG_MESSAGES_MAX: Final = 500  # shown to who comes back to where it was; above it, the recent ones
SEARCH_LENGTH_MAX: Final = 200  # code points of what is searched for

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

# Alarms
RETRY_S: Final = 1.0  # a deadline whose commit failed is tried again after it
HEAL_S: Final = 5.0  # heads are compared with the log this often while a topic has followers
