"""The SQL texts about accounts and sessions, for both SQLite and PostgreSQL.

As in ``statements``: ``$n`` is the n-th value, and each text names the index that serves it.
"""

# ruff: noqa: S608, S105 - the texts are composed of constants, values are always bound; no secrets

from typing import Final

# Accounts

_ACCOUNT: Final = """
id, username, email, created_at, display_name, bio, interests, language, birth_year, avatar_url,
status, last_seen, shows_read_marks"""

ADD: Final = """
insert into accounts (
    id, username, username_key, email, email_key, password, created_at, display_name, display_key,
    bio, interests, language, birth_year, avatar_url, status, last_seen, shows_read_marks
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
on conflict do nothing"""
ID_THERE: Final = "select 1 from accounts where id = $1"  # accounts' key
USERNAME_THERE: Final = "select 1 from accounts where username_key = $1"  # accounts_username_key

BY_ID: Final = f"select {_ACCOUNT} from accounts where id = $1"  # accounts' key
BY_USERNAME: Final = f"select {_ACCOUNT} from accounts where username_key = $1"  # accounts_username_key
BY_EMAIL: Final = f"select {_ACCOUNT} from accounts where email_key = $1"  # accounts_email_key
PASSWORD_OF: Final = "select password from accounts where id = $1"  # accounts' key
PAGE: Final = f"""
select {_ACCOUNT} from accounts
where username_key > $1 and (username_key like $2 escape '!' or display_key like $2 escape '!')
order by username_key limit $3"""  # accounts_username_key, from there on

UPDATE: Final = """
update accounts set email = $2, email_key = $3, display_name = $4, display_key = $5, bio = $6,
    interests = $7, language = $8, birth_year = $9, avatar_url = $10, shows_read_marks = $11
where id = $1 and not exists (select 1 from accounts o where o.email_key = $3 and o.id <> $1)"""
SET_PASSWORD: Final = "update accounts set password = $2 where id = $1"
SEEN: Final = "update accounts set last_seen = $2, status = coalesce($3, status) where id = $1"

DROP_ACCOUNT: Final = "delete from accounts where id = $1"
DROP_SESSIONS_OF: Final = "delete from logins where person = $1"  # logins_person, refresh_tokens_sid
BEGIN_ERASURE: Final = "insert into erasures (person, at) values ($1, $2) on conflict do nothing"
ERASURES: Final = "select person from erasures order by at, person"
END_ERASURE: Final = "delete from erasures where person = $1"

# Sessions

_SESSION: Final = """
l.sid, l.person, l.kind, l.name, l.created_at, l.ends_at, l.revoked_at,
l.token, l.token_until, l.token_used, l.token_before, l.token_before_until"""

OPEN_SESSION: Final = """
insert into logins (
    sid, person, kind, name, created_at, ends_at, revoked_at,
    token, token_until, token_used, token_before, token_before_until
) select
    cast($1 as text), cast($2 as text), cast($3 as text), cast($4 as text),
    cast($5 as double precision), cast($6 as double precision), cast($7 as double precision),
    cast($8 as text), cast($9 as double precision), cast($10 as boolean),
    cast($11 as text), cast($12 as double precision)
where cast($13 as text) is null
or exists (select 1 from accounts where id = $2 and password = $13)"""  # accounts' key
PUT_TOKEN: Final = "insert into refresh_tokens (hash, sid) values ($1, $2) on conflict do nothing"
REPLACE_SESSION: Final = """
update logins set revoked_at = $2, token = $3, token_until = $4, token_used = $5,
    token_before = $6, token_before_until = $7
where sid = $1 and revoked_at is null and token = $8 and token_used = $9"""  # logins' key

SESSION: Final = f"select {_SESSION} from logins l where l.sid = $1"  # logins' key
SESSION_BY_TOKEN: Final = f"""
select {_SESSION} from refresh_tokens t join logins l on l.sid = t.sid where t.hash = $1"""
SESSIONS_OF: Final = f"""
select {_SESSION} from logins l where l.person = $1 order by l.created_at, l.sid"""  # logins_person
LIVE: Final = "select 1 from logins where sid = $1 and revoked_at is null and ends_at > $2"  # logins' key

REVOKE: Final = "update logins set revoked_at = $2 where sid = $1 and revoked_at is null and ends_at > $2"
REVOKE_ALL: Final = """
update logins set revoked_at = $2
where person = $1 and sid <> $3 and revoked_at is null and ends_at > $2"""  # logins_person
FORGET_SESSIONS: Final = "delete from logins where ends_at < $1"  # logins_ends_at, refresh_tokens_sid
