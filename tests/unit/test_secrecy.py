"""No log record of any logger carries a secret, whatever part of the record it stands in and however it is written."""

import io
import json
import logging
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nightdesk import secrecy
from nightdesk.secrecy import HIDDEN, hide, redacted

SECRET = 'canary/"K+y\\ of= ä'
LOGGERS = ("", "urllib3.connectionpool", "httpx", "prefect.flow_runs", "alpaca", "mlflow", "nightdesk.day", "never.seen.before")


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What the tests hide is not hidden for the tests of other files."""
    forms, pattern = set(secrecy._forms), secrecy._pattern
    hide([SECRET])
    yield
    secrecy._forms.clear()
    secrecy._forms.update(forms)
    secrecy._pattern = pattern


@pytest.fixture
def shown() -> Iterator[io.StringIO]:
    """What a handler at the root prints of each record, with all that is in it."""
    stream = io.StringIO()

    class Everything(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            stream.write(logging.Formatter().format(record) + "\n" + repr(vars(record)) + "\n")

    handler, root = Everything(logging.NOTSET), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


class Sdk:
    """An object that shows what it holds, as clients do."""

    def __repr__(self) -> str:
        return f"<Sdk {SECRET}>"


def _says(text: str) -> str:
    return text.replace(SECRET, "").replace(json.dumps(SECRET)[1:-1], "").replace(repr(SECRET)[1:-1], "")


@pytest.mark.parametrize("name", LOGGERS)
def test_no_part_of_a_record_of_any_logger_shows_a_secret(name: str, shown: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger(name)
    parts = name.split(".") if name else []
    for length in range(1, len(parts) + 1):  # a test before may have had Prefect or MLflow set theirs up
        above = logging.getLogger(".".join(parts[:length]))
        monkeypatch.setattr(above, "handlers", [])
        monkeypatch.setattr(above, "propagate", True)
    logger.setLevel(logging.DEBUG)
    logger.debug(f"in the text {SECRET}")
    logger.info("in an argument: %s", SECRET)
    logger.info("in a mapping: %(key)s", {"key": SECRET})
    logger.warning("in an object: %s, %r", Sdk(), [Sdk()])
    logger.warning("not printed", extra={"headers": {"APCA-API-SECRET-KEY": SECRET}, "key": SECRET, "client": Sdk()})
    logger.warning("arguments that do not fit: %d", SECRET)
    logger.log(logging.ERROR, "with a stack", stack_info=True)
    try:
        _fails(SECRET)
    except ValueError:
        logger.exception("in an error")
    logger.setLevel(logging.NOTSET)
    text = shown.getvalue()
    assert text.count(HIDDEN) >= 10 and "in a mapping: (hidden)" in text
    assert "ValueError: refused (hidden)" in text and "During handling" in text and "in _fails" in text
    assert _says(text) == text


def _fails(secret: str) -> None:
    try:
        raise KeyError(secret)
    except KeyError:
        raise ValueError(f"refused {secret}")  # noqa: B904 - both errors are to be in the traceback


def test_a_record_of_an_error_holds_no_frame_whose_variables_could_be_shown() -> None:
    seen: list[logging.LogRecord] = []
    logger = logging.getLogger("frames")
    handler = logging.Handler()
    handler.emit = seen.append  # type: ignore[method-assign]  # what a handler gets is what counts
    logger.addHandler(handler)
    try:
        _fails("harmless")
    except ValueError:
        logger.exception("an error")
    logger.removeHandler(handler)
    assert seen[0].exc_info is None and "ValueError: refused harmless" in str(seen[0].exc_text)


def test_records_without_a_secret_stay_as_they_are(shown: io.StringIO) -> None:
    seen: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = seen.append  # type: ignore[method-assign]  # what a handler gets is what counts
    logging.getLogger().addHandler(handler)
    logging.getLogger("plain").warning("%s of %d", "one", 2, extra={"more": {"a": 1}})
    logging.getLogger().removeHandler(handler)
    assert (seen[0].msg, seen[0].args, seen[0].more) == ("%s of %d", ("one", 2), {"a": 1})  # type: ignore[attr-defined]  # what extra has set


@settings(deadline=None, database=None)
@example("a secret/with both", "", "")
@given(st.text(min_size=6, max_size=40), st.text(max_size=9), st.text(max_size=9))
def test_a_secret_is_found_however_it_is_written(secret: str, before: str, after: str) -> None:
    hide([secret])
    basic = f"{before}:{secret}{after}".encode()
    for written in (
        secret,
        json.dumps(secret),
        repr(secret),
        quote(secret),
        quote(secret, safe=""),
        quote(secret, safe="").lower(),
        quote_plus(secret),
        b64encode(basic).decode(),
        urlsafe_b64encode(basic).decode(),
    ):
        assert HIDDEN in redacted(f"before {written} after")
    assert redacted("") == ""


def test_the_key_of_basic_authentication_cannot_be_read_back() -> None:
    header = b64encode(f"key-id-of-canary:{SECRET}".encode()).decode()
    assert b64encode(SECRET.encode()).decode()[4:12] not in redacted(f"Authorization: Basic {header}")


def test_short_words_are_not_hidden() -> None:
    hide(["", "a", "paper"])
    assert redacted("a paper broker") == "a paper broker"
