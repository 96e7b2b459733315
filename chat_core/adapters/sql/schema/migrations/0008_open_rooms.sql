-- Whether a room has ended is asked of its events, for the open rooms of a person and of two people.

create index events_room_ended_of on events (conversation) where kind = 'room_ended';
