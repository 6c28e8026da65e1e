"""A page on the disk."""

from pathlib import Path

from nightdesk.errors import Misconfigured

SUFFIX = ".html"


def require_page(target: Path) -> None:
    """Raises `Misconfigured` where a page can not go."""
    if target.suffix.lower() != SUFFIX or target.is_dir():
        raise Misconfigured.value("output", str(target), f"a file whose name ends in {SUFFIX}")


def save_page(text: str, target: Path) -> None:
    """Write a page whole, or not at all; the folder is made."""
    unfinished = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(target)
    except OSError as error:
        raise Misconfigured(f"{target} cannot be written: {error.strerror}.", path=str(target)) from None
