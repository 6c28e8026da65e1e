"""Notices to a person, through apprise, in a process of their own: it can be ended, and what it would log goes nowhere."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from pydantic import SecretStr

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase

SEND_WITHIN_S: Final = 10.0
"""For all addresses together, the start of the process included."""
SHORTEST_TOKEN: Final = 8


def addresses_of(addresses: SecretStr) -> list[str]:
    """The addresses, which have spaces or commas between them."""
    return [address for address in re.split(r"[\s,]+", addresses.get_secret_value()) if address]


def secrets_of(addresses: SecretStr) -> list[str]:
    """What must not be seen of the addresses: each whole, its password, and what looks like a token: long, with a digit."""
    found = []
    for address in addresses_of(addresses):
        password = re.search(r"://[^/@]*?:([^/]+)@", address)
        parts = re.split(r"[:/@?&=#.]+", unquote(address))
        found += [address, *([password[1], unquote(password[1])] if password else [])]
        found += [part for part in parts if re.search(r"\d", part) and len(part) >= SHORTEST_TOKEN]
    return found


def require_addresses(addresses: SecretStr) -> None:
    """Raise `ValueError` naming, by their places, addresses that apprise cannot send to. Nothing is sent, no address is shown."""
    asked = addresses_of(addresses)
    if not asked:
        return
    plugins = _plugins(asked)
    if bad := [f"the {place}" for place, plugin in _numbered(plugins) if plugin is None]:
        raise ValueError(f"{', '.join(bad)} of {len(plugins)} addresses cannot be sent to, allowed: addresses of apprise")


def send_notice(addresses: SecretStr, title: str, text: str) -> bool:
    """Send a notice to each address. Whether one of them took it; what failed is a warning that names its place only."""
    asked = addresses_of(addresses)
    if not asked:
        return False
    told = json.dumps({"addresses": asked, "title": title, "text": text}).encode()
    command = [sys.executable, "-P", "-m", "nightdesk.notices"]
    try:
        done = subprocess.run(
            command, input=told, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SEND_WITHIN_S, check=False
        )
        taken = done.stdout
    except subprocess.TimeoutExpired as late:
        taken = late.stdout or b""
    except OSError:
        taken = b""
    places = {int(place) for place in taken.split()}
    if failed := [place for number, (place, _) in enumerate(_numbered(asked)) if number not in places]:
        logging.getLogger(__name__).warning("A notice did not reach the %s of %d addresses.", ", ".join(failed), len(asked))
    return bool(places)


def _numbered(rows: Sequence[object]) -> list[tuple[str, object]]:
    """Each row with its place as an English ordinal."""
    ends = {1: "st", 2: "nd", 3: "rd"}
    teens = (11, 12, 13)
    return [
        (f"{place}{'th' if place % 100 in teens else ends.get(place % 10, 'th')}", row) for place, row in enumerate(rows, start=1)
    ]


def _plugins(addresses: Sequence[str]) -> list["NotifyBase | None"]:
    """What sends to each address, None where nothing can."""
    from apprise import Apprise

    log = logging.getLogger("apprise")
    before, log.disabled = log.disabled, True  # it quotes what it refuses
    try:
        return [Apprise.instantiate(address, asset=_asset()) for address in addresses]
    finally:
        log.disabled = before


def _asset() -> "AppriseAsset":
    """Nothing on disk, no plugins but apprise's own, no redirect followed."""
    from apprise import AppriseAsset, PersistentStoreMode

    return AppriseAsset(
        app_id="Nightdesk",
        storage_mode=PersistentStoreMode.MEMORY,
        storage_path=None,
        plugin_paths=None,
        pgp_autogen=False,
        pem_autogen=False,
        http_redirects=False,
    )


def _send(addresses: Sequence[str], title: str, text: str) -> None:
    """Send to all at once; the number of each that took it is printed as soon as it has."""
    from threading import Thread

    from apprise import Apprise

    def send(number: int, plugin: "NotifyBase | None") -> None:
        if plugin is not None and Apprise([plugin], asset=_asset()).notify(text, title):
            os.write(sys.stdout.fileno(), f"{number}\n".encode())

    threads = [Thread(target=send, args=row) for row in enumerate(_plugins(addresses))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    _send(**json.load(sys.stdin))
