"""FastAPI with Pydantic 2, PyJWT and argon2-cffi on PostgreSQL, as their guides set them up.

Hashing runs in Starlette's thread pool, statements in asyncpg. PASSWORD_HASH=equal takes one lane instead of
argon2-cffi's own four; memory and passes are the same.
"""

import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import asyncpg
import jwt
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from fastapi import Depends, FastAPI, HTTPException
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, EmailStr

# Of a throw-away server on loopback.
SECRET = "measured-on-loopback-and-thrown-away-afterwards"

if os.environ.get("PASSWORD_HASH") == "equal":
    hasher = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)
else:
    hasher = PasswordHasher()


class Credentials(BaseModel):
    email: EmailStr
    password: str


class NewUser(Credentials):
    name: str | None = None


class User(BaseModel):
    id: UUID
    email: str
    name: str | None


class Token(BaseModel):
    access_token: str


@asynccontextmanager
async def lifespan(app: FastAPI):
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], max_size=10) as pool:
        await pool.execute(
            """create table if not exists users (
                 id uuid primary key default gen_random_uuid(), email text not null unique, name text,
                 password text not null, created_at timestamptz not null default now())"""
        )
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)
bearer = HTTPBearer()


async def current_user(token: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> User:
    try:
        claims = jwt.decode(token.credentials, SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "Invalid token") from error
    row = await app.state.pool.fetchrow("select id, email, name from users where id = $1", UUID(claims["sub"]))
    if row is None:
        raise HTTPException(401, "Unknown user")
    return User(**row)


@app.get("/peer", response_class=PlainTextResponse)
async def peer() -> str:
    return "fastapi"


@app.post("/signup", status_code=201)
async def signup(user: NewUser) -> User:
    stored = await run_in_threadpool(hasher.hash, user.password)
    row = await app.state.pool.fetchrow(
        "insert into users (email, name, password) values ($1, $2, $3) returning id, email, name",
        user.email,
        user.name,
        stored,
    )
    return User(**row)


@app.post("/signin")
async def signin(credentials: Credentials) -> Token:
    row = await app.state.pool.fetchrow("select id, password from users where email = $1", credentials.email)
    if row is None:
        raise HTTPException(401, "Wrong e-mail or password")
    try:
        await run_in_threadpool(hasher.verify, row["password"], credentials.password)
    except VerifyMismatchError as error:
        raise HTTPException(401, "Wrong e-mail or password") from error
    claims = {"sub": str(row["id"]), "exp": datetime.now(UTC) + timedelta(minutes=30)}
    return Token(access_token=jwt.encode(claims, SECRET, algorithm="HS256"))


@app.get("/me")
async def me(user: Annotated[User, Depends(current_user)]) -> User:
    return user
