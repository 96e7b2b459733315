-- Rooms and pairings are found by their end, to be removed when they are over their age.

create index events_room_ended on events (at, conversation) where kind = 'room_ended';
create index chat_sessions_ended on chat_sessions (ended_at);
