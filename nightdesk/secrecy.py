"""Secrets stay out of the logs: every record of every logger loses them before a handler sees it."""

import functools
import json
import logging
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

HIDDEN: Final = "(hidden)"
SHORTEST: Final = 6
"""Shorter texts are not hidden: they would be found in every other word."""
OWN_FIELDS: Final = ("msg", "args", "exc_info")
"""Fields of a record that are not treated as the others."""

NEIGHBOUR: Final = "[A-Za-z0-9+/_-]?"
"""A digit of base64 that may hold bits of the secret and of what stands beside it."""

_forms: set[str] = set()
_pattern = re.compile("(?!)")
_handle = logging.Logger.handle


def hide(secrets: Iterable[str]) -> None:
    """From now on no log record of this process holds one of these texts, nor do texts that went through `redacted`."""
    global _pattern
    for secret in secrets:
        if len(secret) >= SHORTEST:
            _forms.update(_forms_of(secret))
    if _forms:
        _pattern = re.compile("|".join(sorted(_forms, key=len, reverse=True)), re.IGNORECASE)
        logging.Logger.handle = _handle_clean  # type: ignore[method-assign]  # a filter or a record factory does not see `extra`


def redacted(text: str) -> str:
    """The text without what is hidden."""
    return _pattern.sub(HIDDEN, text)


def _forms_of(secret: str) -> set[str]:
    """Patterns of a secret as it is, escaped as in JSON or Python, in a URL, and in a base64 text that holds it."""
    escaped = {json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret), quote(secret, safe=""), quote_plus(secret)}
    encoded = {f"{NEIGHBOUR}{re.escape(text)}{NEIGHBOUR}={{0,2}}" for text in _base64_of(secret.encode())}
    return {*map(re.escape, {secret, *escaped}), *encoded}


def _base64_of(secret: bytes) -> set[str]:
    """What base64 makes of the bytes at each of the three places where they may begin, less the digits of their neighbours."""
    found = set()
    for before in range(3):
        first, end = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
        found |= {encode(bytes(before) + secret).decode()[first:end] for encode in (b64encode, urlsafe_b64encode)}
    return found


@functools.wraps(_handle)
def _handle_clean(self: logging.Logger, record: logging.LogRecord) -> None:
    _clean(record)
    _handle(self, record)


def _clean(record: logging.LogRecord) -> None:
    text = _message(record)
    if _pattern.search(f"{text} {record.msg!r} {record.args!r}"):
        record.msg, record.args = redacted(text), None
    if record.exc_info and record.exc_info[1]:  # as text: the variables of the frames hold keys, too
        record.exc_text, record.exc_info = logging.Formatter().formatException(record.exc_info), None
    for name, value in record.__dict__.items():
        if name not in OWN_FIELDS and value is not None and not isinstance(value, int | float):
            shown = value if isinstance(value, str) else repr(value)
            if _pattern.search(shown):
                record.__dict__[name] = redacted(shown)


def _message(record: logging.LogRecord) -> str:
    """The record's sentence; where its arguments do not fit it, what it was made of."""
    try:
        return record.getMessage()
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        return f"{record.msg} {record.args!r}"
