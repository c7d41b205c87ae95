"""Every exception the engine raises on purpose.

EngineError
├── BadInput            the caller's value is wrong; the message gives value, limit and next step
│   └── BadPicture      a picture cannot be decoded or is over a limit
├── ItemNotFound        no item has that id or uri
├── SessionNotFound     no conversation has that id
│   └── SessionExpired  it was there, and was not used for too long
├── ModelUnavailable    an unknown model key, missing weights or a missing package
├── GalleryMismatch     the gallery was made by another model or a newer version
├── GalleryBusy         another process is writing to the gallery
└── StorageFailed       the disk is full, read-only or failing; what was committed before is intact
"""


class EngineError(Exception):
    """Base of every error the engine raises on purpose."""


class BadInput(EngineError, ValueError):
    """A value from the caller is wrong."""


class BadPicture(BadInput):
    """A picture cannot be decoded, or is over a limit."""


class ItemNotFound(EngineError, LookupError):
    """No item of the gallery has that id or uri."""


class SessionNotFound(EngineError, LookupError):
    """No conversation has that id."""


class SessionExpired(SessionNotFound):
    """A conversation was not used for longer than its time to live."""


class ModelUnavailable(EngineError):
    """The model key is unknown, or its weights or package are not on this machine."""


class GalleryMismatch(EngineError):
    """The gallery was made by another model, or by a newer version of Crosslight."""


class GalleryBusy(EngineError):
    """Another process holds the gallery's writer lock."""


class StorageFailed(EngineError):
    """The gallery could not be written: a full, read-only or failing disk."""
