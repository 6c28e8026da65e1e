"""The home's `secrets.env`: what is never shown, in a file that only this user can read."""

import os
import re
import stat
from pathlib import Path
from typing import Final

from nightdesk.errors import Misconfigured

SECRETS: Final = {
    "APCA_API_KEY_ID": "alpaca_key_id",
    "APCA_API_SECRET_KEY": "alpaca_secret_key",
    "NIGHTDESK_NOTIFY": "notify",
    "NIGHTDESK_CONSOLE_TOKEN": "console_token",
    "NIGHTDESK_LEDGER": "ledger",
    "NIGHTDESK_PREFECT_DATABASE": "prefect_database",
    "NIGHTDESK_MLFLOW_DATABASE": "mlflow_database",
}
"""What is never shown, and may stand in the home's `secrets.env`: the key there and in the environment, and the field."""
LARGEST_SECRETS_FILE: Final = 65536


def secrets_in(home: Path) -> dict[str, str]:
    """The fields that `secrets.env` in the home sets, none where there is no such file.

    Raises `Misconfigured`, without any value, for a file that others could read or that holds anything else.
    """
    path, found = home / "secrets.env", {}
    for number, line in enumerate(_private_text(path).splitlines(), start=1):
        key, equals, value = (part.strip() for part in line.strip().partition("="))
        if not key or key.startswith("#"):
            continue
        if not equals or key not in SECRETS:
            was = f"the key {key}" if equals and re.fullmatch(r"[A-Z_]{1,40}", key) else "no KEY=VALUE"
            raise Misconfigured(f"Line {number} of {path} was {was}, allowed: {', '.join(SECRETS)}.", path=str(path), line=number)
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        found[SECRETS[key]] = value[1:-1] if quoted else value
    return found


def _private_text(path: Path) -> str:
    """The text of a file that only this user can read; "" where there is none."""
    allowed = f"a regular file of the user {os.getuid()} with mode 0600 or stricter, UTF-8, up to {LARGEST_SECRETS_FILE} bytes"
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            mode, owner = status.st_mode, status.st_uid
            was = f"{stat.filemode(mode)}, mode {stat.S_IMODE(mode):04o}, of the user {owner}, {status.st_size} bytes"
            if stat.S_ISREG(mode) and owner == os.getuid() and not mode & 0o177 and status.st_size <= LARGEST_SECRETS_FILE:
                return file.read().decode()
    except FileNotFoundError:
        return ""
    except OSError as error:  # a link, or a file that may not be read
        was = os.strerror(error.errno or 0)
    except UnicodeDecodeError:
        was = "not UTF-8"
    raise Misconfigured(f"{path} was {was}, allowed: {allowed}.", path=str(path))
