"""What the HTTP service can be told: one frozen value, passed in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.dataclasses import dataclass
from pydantic_settings import NoDecode

from api.http.fetching import Fetcher
from engine.dialogue import TIME_TO_LIVE, Endpoint
from engine.errors import BadInput
from engine.gallery import Gallery
from engine.telling import DEFAULT as TELLER

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
ANY_HOST = ("*",)
SUFFIX = ".gallery"


def _split(value: Any) -> Any:
    """Let an environment variable or a flag hold a list: its parts are separated by commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names: TypeAlias = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Paths: TypeAlias = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split)]


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Settings:
    """Where the galleries are and what a request may do."""

    gallery: Path = Field(description="the gallery that is served, the first of several")
    model: str | None = Field(default=None, description="the model's key; by default the gallery's own")
    teller: str = Field(default=TELLER, description="the model that writes captions and answers questions")
    device: str | None = Field(default=None, description="where the model runs, such as cpu or cuda")
    reranker: str | None = Field(
        default=None, description="a reranker in place of the model's own, hf:NAME_OR_PATH or st:NAME_OR_PATH"
    )
    max_body_bytes: int = Field(
        default=20 * 1024 * 1024, ge=1, description="the largest body of a request, in bytes"
    )
    max_stream_bytes: int = Field(
        default=1024**3,
        ge=1,
        description="the largest stream of items, in bytes; each line is limited as a body",
    )
    max_requests: int = Field(
        default=256, ge=1, description="requests under way at once; one more is answered 503 with Retry-After"
    )
    rate: str | None = Field(
        default=None, description="how often one key, or one address, may ask, such as 100/minute"
    )
    cors_origins: Names = Field(
        default=(), description="other sites whose pages may use the service, such as https://example.org"
    )
    url_hosts: Names = Field(
        default=(), description="hosts that pictures may be fetched from by URL; by default none"
    )
    url_addresses: Names = Field(
        default=(), description="addresses that pictures may be fetched from although they are not public"
    )
    url_seconds: float = Field(default=10, gt=0, description="how long fetching a picture may take")
    log_format: Literal["text", "json"] = Field(
        default="text", description="how the log is written: text, or json, one document a line"
    )
    tracing: bool = Field(default=False, description="send traces by OpenTelemetry, where OTEL_* say")
    repeat_hours: float = Field(
        default=24, gt=0, description="how long the answer to a request with an Idempotency-Key is kept"
    )
    source_roots: Paths = Field(
        default=(), description="folders of this machine that a job may ingest from; by default none"
    )
    host: str = Field(default="127.0.0.1", description="the address to listen on")
    port: int = Field(default=8000, description="the port; 0 takes any free one")
    more_galleries: Paths = Field(default=(), description="further galleries to serve")
    hosts: Names = Field(
        default=(),
        description="names a request may call the service by, * for any; by default those of this machine "
        "where it listens on loopback alone, else any",
    )
    keys: Path | None = Field(
        default=None, description="the file of API keys; by default server/keys.json in the gallery"
    )
    allow_open: bool = Field(
        default=False, description="listen on other addresses than loopback even without API keys"
    )
    session_hours: float = Field(
        default=TIME_TO_LIVE / 3600,
        gt=0,
        description="how long a conversation is kept after a turn, in hours",
    )
    llm_url: str | None = Field(
        default=None, description="an OpenAI-compatible endpoint for free phrasing in conversations"
    )
    llm_model: str | None = Field(default=None, description="the model that the endpoint is to use")
    llm_key: SecretStr | None = Field(default=None, description="the key that the endpoint wants")

    def endpoint(self) -> Endpoint | None:
        """Return the language model of conversations; `BadInput` where it is told by half."""
        if self.llm_url is None:
            return None
        key = self.llm_key.get_secret_value() if self.llm_key else None
        return Endpoint(self.llm_url, self.llm_model or "", key)

    @property
    def names(self) -> tuple[str, ...]:
        """The names a request may call this service by.

        The default keeps a web page that points a name of its own at this machine (DNS rebinding)
        from reading the gallery.
        """
        return self.hosts or (LOOPBACK_NAMES if self.host in LOOPBACK else ANY_HOST)

    @property
    def fetcher(self) -> Fetcher:
        """What fetches pictures by URL, within these limits."""
        return Fetcher(self.url_hosts, self.url_addresses, self.max_body_bytes, self.url_seconds)

    @property
    def state(self) -> Path:
        """The folder of what the service itself keeps: keys, jobs, answers to repeated requests."""
        return Gallery(self.gallery).server

    @property
    def keys_file(self) -> Path:
        """The file of API keys."""
        return self.keys or Gallery(self.gallery).keys

    def galleries(self) -> dict[str, Path]:
        """Return every gallery by the name of its directory, the first one first.

        Raises `BadInput` for two of one name.
        """
        named: dict[str, Path] = {}
        for path in (self.gallery, *self.more_galleries):
            name = path.resolve().name.removesuffix(SUFFIX)
            if name in named:
                raise BadInput(f"{named[name]} and {path} would both be called {name!r}; rename one of them")
            named[name] = path
        return named
