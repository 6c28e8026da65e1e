"""Text from the command line into values, or a sentence."""

from datetime import date

from nightdesk.errors import Misconfigured


def parsed_session(text: str | None) -> date | None:
    """A date as 2018-12-31, None where there is none. Raises `Misconfigured`."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Misconfigured.value("session", text, "a date as 2018-12-31") from None
