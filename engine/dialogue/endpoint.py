"""A language model behind an OpenAI-compatible endpoint, for what the rules leave open. It is optional.

It is sent the query as it is written and what was said, and nothing of the gallery: no caption, no name, no
picture. What it answers must be one query in the language of `engine.grammar` with every term marked; all
else is refused, so its words are never more than a query that the reader sees and can edit.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from engine.dialogue.state import Asked
from engine.errors import BadInput, EngineError, ModelUnavailable
from engine.grammar import parse_sum

TIMEOUT = 10.0  # seconds, for the whole answer
MAX_ANSWER = 64 * 1024  # bytes
INSTRUCTIONS = """You keep the query of a picture search up to date. You get the query as it is and what the
user says next. Answer with the new query on one line and nothing else.

A query is a sum of terms. A term is words in double quotes, or like:N for an item that the query already has.
+ or - stands before each further term; - takes away. A weight may follow a term: *0.5.

query: "two dogs in snow"
said: I'd rather it were dark, and please spare me the humans
answer: "two dogs in snow" + "at night" - "people"*0.5

query: "beach" + like:7*0.5
said: forget all of that, I am after kitchens now
answer: "a kitchen"*1"""


class EndpointFailed(EngineError):
    """The endpoint is down, slow, or answers what is no query."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a language model answers: `url` is the base that ends in /v1; `key` goes into a header."""

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    timeout: float = TIMEOUT

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).netloc:
            raise BadInput(f"{self.url!r} is no endpoint; give its base, such as http://localhost:11434/v1")
        if not self.model:
            raise BadInput(f"which model shall {self.url} use? name one")

    def ask(self, said: str, asked: Asked) -> Asked:
        """Return what to ask now; `EndpointFailed` where no query comes back in time."""
        answer = self._answer(f"query: {asked.written()}\nsaid: {said}\nanswer:")
        line = answer.strip().strip("`").strip().removeprefix("answer:").strip()
        try:
            query = parse_sum(line)
        except BadInput as error:
            raise EndpointFailed(f"its answer is no query: {str(error).splitlines()[0]}") from None
        known = {part.item for part in asked.query.parts if part.item is not None}
        for part in query.parts:
            if part.picture is not None or (part.item is not None and part.item not in known):
                raise EndpointFailed("its answer names a picture that the query does not")
        return replace(asked, query=replace(query, kind=asked.query.kind))

    def _answer(self, question: str) -> str:
        body = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": INSTRUCTIONS},
                {"role": "user", "content": question},
            ],
            "temperature": 0,
            "max_tokens": 300,
        }
        document = self._posted(body)
        try:
            content = document["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            raise EndpointFailed("its reply is no chat completion") from None
        if not isinstance(content, str):
            raise EndpointFailed("its reply has no text")
        return content

    def _posted(self, body: dict[str, Any]) -> Any:
        try:
            import httpx
        except ImportError:
            raise ModelUnavailable(
                "asking a language model needs httpx: pip install 'crosslight[llm]'"
            ) from None
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        end = time.monotonic() + self.timeout
        data = b""
        try:
            with httpx.stream(
                "POST",
                f"{self.url.rstrip('/')}/chat/completions",
                json=body,
                headers=headers,
                timeout=self.timeout,
            ) as response:
                for chunk in response.iter_bytes():
                    data += chunk
                    if len(data) > MAX_ANSWER:
                        raise EndpointFailed(f"its reply is over {MAX_ANSWER:,} bytes")
                    if time.monotonic() > end:
                        raise EndpointFailed(f"it did not answer in {self.timeout:g} seconds")
        except httpx.TimeoutException:
            raise EndpointFailed(f"it did not answer in {self.timeout:g} seconds") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EndpointFailed(f"it cannot be reached: {error}") from None
        if response.status_code != 200:
            raise EndpointFailed(f"it answered with status {response.status_code}")
        try:
            return json.loads(data)
        except ValueError:
            raise EndpointFailed("its reply is not JSON") from None
