"""Conversations: a query that utterances refine, kept as a session in the gallery.

    from engine.dialogue import Sessions

    with SearchEngine.open("photos.gallery") as engine, Sessions(engine) as sessions:
        session = sessions.create()
        turn = sessions.say(session.id, "two dogs in snow")
        turn = sessions.say(session.id, "the same at night, but without people")

Its parts: `rules` read an utterance as moves (`moves`), `judge` decides by the text model's vectors what they
leave open, or `endpoint` asks a language model; `applying` changes what is asked, `state` remembers it.
"""

from __future__ import annotations

from engine.dialogue.endpoint import Endpoint
from engine.dialogue.sessions import MAX_SHOWN, TIME_TO_LIVE, Sessions, Turn
from engine.dialogue.state import Session, Spoken

__all__ = ["MAX_SHOWN", "TIME_TO_LIVE", "Endpoint", "Session", "Sessions", "Spoken", "Turn"]
