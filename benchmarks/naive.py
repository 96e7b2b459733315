"""The naive chat server: the two product documents, implemented as in a FastAPI tutorial.

One `ConnectionManager` has everything in memory: strangers in pairs at `/ws/{user_id}`, and one
channel per name at `/api/ws/{username}`. Channel messages are Pydantic models, as that document
requires. A message is encoded as JSON once (faster than `send_json` per receiver) and sent with one
`await` per receiver. Not here: passwords, tokens and profiles, which cost nothing per message. This
server is only for measuring.

    python -m benchmarks.naive PORT
"""

import json
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field, ValidationError


class Incoming(BaseModel):
    """A frame from a member of a channel."""

    channel: str
    content: str = Field(min_length=1, max_length=1000)


class User(BaseModel):
    id: UUID = Field(default_factory=uuid4)
    username: str


class Message(BaseModel):
    """A message of a channel, as stored and broadcast."""

    type: str = "message"
    id: UUID = Field(default_factory=uuid4)
    channel: str
    user: User
    content: str
    timestamp: datetime = Field(default_factory=lambda: datetime.now(UTC))


class ConnectionManager:
    """All state of the server, with the names of the product documents."""

    def __init__(self) -> None:
        self.active_connections: dict[str, WebSocket] = {}
        self.waiting_users: set[str] = set()
        self.chat_pairs: dict[str, str] = {}
        self.channels: dict[str, dict[str, WebSocket]] = {}
        self.users: dict[str, User] = {}
        self.messages: dict[str, list[Message]] = {}

    # strangers, one to one

    async def connect(self, user_id: str, websocket: WebSocket) -> None:
        """Accepts a stranger and pairs them with a waiting one."""
        await websocket.accept()
        self.active_connections[user_id] = websocket
        self.waiting_users.add(user_id)
        await self.pair_users()

    async def disconnect(self, user_id: str) -> None:
        """Removes a stranger; notifies the partner, who then waits again."""
        self.active_connections.pop(user_id, None)
        self.waiting_users.discard(user_id)
        partner = self.chat_pairs.pop(user_id, None)
        if partner is not None:
            self.chat_pairs.pop(partner, None)
            if partner in self.active_connections:
                await self.tell(partner, {"type": "system", "message": "Your partner has left the chat"})
                self.waiting_users.add(partner)
                await self.pair_users()

    async def pair_users(self) -> None:
        """Pairs waiting strangers."""
        while len(self.waiting_users) >= 2:
            one, other = self.waiting_users.pop(), self.waiting_users.pop()
            self.chat_pairs[one], self.chat_pairs[other] = other, one
            for user_id in (one, other):
                await self.tell(user_id, {"type": "system", "message": "You are paired with a stranger"})

    async def tell(self, user_id: str, frame: dict[str, Any]) -> None:
        await self.active_connections[user_id].send_text(json.dumps(frame))

    # channels

    async def join(self, username: str, channel: str, websocket: WebSocket) -> None:
        """Accepts a user, subscribes them to a channel and sends the history."""
        await websocket.accept()
        self.users[username] = User(username=username)
        self.channels.setdefault(channel, {})[username] = websocket
        messages = [
            message.model_dump(mode="json") for message in self.messages.setdefault(channel, [])[-50:]
        ]
        await websocket.send_text(json.dumps({"type": "history", "channel": channel, "messages": messages}))

    def leave(self, username: str) -> None:
        for members in self.channels.values():
            members.pop(username, None)

    async def broadcast(self, message: Message) -> None:
        """Stores the message and sends it to every subscriber of its channel, including the sender."""
        self.messages[message.channel].append(message)
        text = message.model_dump_json()
        for ws in list(self.channels[message.channel].values()):
            await ws.send_text(text)


app = FastAPI()
manager = ConnectionManager()


@app.websocket("/ws/{user_id}")
async def pair_chat(websocket: WebSocket, user_id: str) -> None:
    await manager.connect(user_id, websocket)
    try:
        while True:
            data = json.loads(await websocket.receive_text())
            partner = manager.chat_pairs.get(user_id)
            if partner is not None:
                await manager.tell(partner, {"type": "message", "message": data["message"]})
    except WebSocketDisconnect:
        await manager.disconnect(user_id)


@app.websocket("/api/ws/{username}")
async def channel_chat(websocket: WebSocket, username: str, channel: str = "general") -> None:
    await manager.join(username, channel, websocket)
    try:
        while True:
            try:
                said = Incoming.model_validate_json(await websocket.receive_text())
            except ValidationError as error:
                await websocket.send_text(json.dumps({"type": "error", "message": str(error)}))
                continue
            if username not in manager.channels.get(said.channel, ()):
                await websocket.send_text(json.dumps({"type": "error", "message": "not your channel"}))
                continue
            user = manager.users[username]
            await manager.broadcast(Message(channel=said.channel, user=user, content=said.content))
    except WebSocketDisconnect:
        manager.leave(username)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", backlog=4096)
