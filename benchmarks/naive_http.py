"""The naive chat API: the product documents with a database, implemented as in a FastAPI tutorial.

FastAPI, SQLAlchemy's async sessions on SQLite (aiosqlite), Pydantic models for requests and responses, and
a JWT as bearer token, whose user is loaded for each request, as in FastAPI's own documentation on security.
SQLite has a write-ahead log and waits for the disk at each commit, as Parley's does. The tables have the
indexes that the queries need, messages are loaded with their authors in one statement (no "N + 1"), and
there is no access log. Passwords are accepted unchecked, because they are not measured. This server is
only for measuring.

    python -m benchmarks.naive_http PORT DATABASE_FILE
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, Index, event, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

SECRET_KEY = os.environ.get("JWT_SECRET_KEY", "")
ALGORITHM = "HS256"
ACCESS_TOKEN_EXPIRE_MINUTES = 30
DATABASE_FILE = sys.argv[2] if len(sys.argv) > 2 else "naive.db"

engine = create_async_engine(f"sqlite+aiosqlite:///{DATABASE_FILE}")
sessions = async_sessionmaker(engine, expire_on_commit=False)


@event.listens_for(engine.sync_engine, "connect")
def modes(connection: Any, _record: object) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=60000"):
        connection.execute(f"pragma {pragma}")


# Tables


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    username: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str] = mapped_column(unique=True)
    display_name: Mapped[str]
    is_online: Mapped[bool] = mapped_column(default=False)
    last_seen: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


class Channel(Base):
    __tablename__ = "channels"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


class Membership(Base):
    __tablename__ = "channel_members"

    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channels.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)


class Message(Base):
    __tablename__ = "messages"
    __table_args__ = (
        Index("messages_by_channel", "channel_id", "created_at"),
        Index("messages_by_time", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channels.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    content: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))

    user: Mapped[User] = relationship()
    channel: Mapped[Channel] = relationship()


# Requests and responses


class NewUser(BaseModel):
    username: str = Field(min_length=3, max_length=32)
    email: str
    password: str


class Credentials(BaseModel):
    username: str
    password: str


class NewMessage(BaseModel):
    content: str = Field(min_length=1, max_length=1000)


class Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ShownUser(Shown):
    id: UUID
    username: str
    email: str
    display_name: str
    is_online: bool
    last_seen: datetime | None
    created_at: datetime


class ShownAuthor(Shown):
    id: UUID
    username: str
    display_name: str


class ShownChannel(Shown):
    id: UUID
    name: str


class ShownMessage(Shown):
    id: UUID
    content: str
    user: ShownAuthor
    channel: ShownChannel
    created_at: datetime


class Token(BaseModel):
    access_token: str
    token_type: str = "bearer"


# The application


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions() as session:
        session.add_all([Channel(name="general"), Channel(name="random")])
        await session.commit()
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
oauth2_scheme = OAuth2PasswordBearer(tokenUrl="/api/auth/login")


async def get_db() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Database = Annotated[AsyncSession, Depends(get_db)]


async def get_current_user(token: Annotated[str, Depends(oauth2_scheme)], db: Database) -> User:
    try:
        claims = jwt.decode(token, SECRET_KEY, algorithms=[ALGORITHM])
        user = await db.get(User, UUID(claims["sub"]))
    except (jwt.InvalidTokenError, KeyError, ValueError):
        user = None
    if user is None:
        raise HTTPException(401, "Could not validate credentials", {"WWW-Authenticate": "Bearer"})
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/api/auth/register", status_code=201)
async def register(new: NewUser, db: Database) -> ShownUser:
    user = User(username=new.username, email=new.email, display_name=new.username)
    db.add(user)
    await db.flush()
    for channel in await db.scalars(select(Channel)):
        db.add(Membership(channel_id=channel.id, user_id=user.id))
    await db.commit()
    return ShownUser.model_validate(user)


@app.post("/api/auth/login")
async def login(given: Credentials, db: Database) -> Token:
    user = await db.scalar(select(User).where(User.username == given.username))
    if user is None:
        raise HTTPException(401, "Incorrect username or password")
    now = datetime.now(UTC)
    expires = now + timedelta(minutes=ACCESS_TOKEN_EXPIRE_MINUTES)
    claims = {"sub": str(user.id), "name": user.username, "iat": now, "exp": expires}
    return Token(access_token=jwt.encode(claims, SECRET_KEY, algorithm=ALGORITHM))


@app.get("/api/users/me", response_model=ShownUser)
async def me(user: CurrentUser) -> User:
    return user


@app.get("/api/channels/me", response_model=list[ShownChannel])
async def my_channels(user: CurrentUser, db: Database) -> list[Channel]:
    mine = select(Membership.channel_id).where(Membership.user_id == user.id)
    return list(await db.scalars(select(Channel).where(Channel.id.in_(mine)).order_by(Channel.name)))


@app.get("/api/messages", response_model=list[ShownMessage])
async def messages(
    user: CurrentUser,
    db: Database,
    channel: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> list[Message]:
    """The newest messages of one channel, or of all the user's, oldest first."""
    asked = select(Message).options(joinedload(Message.user), joinedload(Message.channel))
    if channel is None:
        mine = select(Membership.channel_id).where(Membership.user_id == user.id)
        asked = asked.where(Message.channel_id.in_(mine))
    else:
        found = await db.scalar(select(Channel).where(Channel.name == channel))
        if found is None or await db.get(Membership, (found.id, user.id)) is None:
            raise HTTPException(404, "Channel not found")
        asked = asked.where(Message.channel_id == found.id)
    newest = await db.scalars(asked.order_by(Message.created_at.desc()).limit(limit))
    return list(newest)[::-1]


@app.post("/api/conversations/{channel_id}/messages", status_code=201, response_model=ShownMessage)
async def post(channel_id: UUID, new: NewMessage, user: CurrentUser, db: Database) -> Message:
    if await db.get(Membership, (channel_id, user.id)) is None:
        raise HTTPException(403, "Not a member of this channel")
    channel = await db.get_one(Channel, channel_id)
    message = Message(channel=channel, user=user, content=new.content)
    db.add(message)
    await db.commit()
    return message


if __name__ == "__main__":
    port = int(sys.argv[1])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", timeout_keep_alive=75)
