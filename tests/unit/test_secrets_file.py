"""Secrets come from the environment or from a private file of the home, and are refused without being shown."""

import os
import traceback
from pathlib import Path

import pytest

from nightdesk.errors import Misconfigured
from nightdesk.secrets_file import SECRETS
from nightdesk.settings import Settings, settings
from tests.notice_server import NoticeServer

KEY, SECRET = "CANARYKEYID", "canary/secret+of=the&desk"
ADDRESS = NoticeServer(port=9).address("canaryToken")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home's file of secrets, not yet written; no secret in the environment, and settings that are read anew."""
    monkeypatch.setenv("NIGHTDESK_HOME", str(tmp_path))
    for key in SECRETS:
        monkeypatch.delenv(key, raising=False)
    settings.cache_clear()
    return tmp_path / "secrets.env"


@pytest.fixture(autouse=True)
def _read_anew() -> object:
    yield
    settings.cache_clear()


def _written(file: Path, text: str, mode: int = 0o600) -> Path:
    file.write_text(text)
    file.chmod(mode)
    return file


def _values(here: Settings) -> tuple[str, str, str]:
    return here.alpaca_key_id, here.alpaca_secret_key.get_secret_value(), here.notify.get_secret_value()


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_sets_what_the_environment_does_not(file: Path, mode: int) -> None:
    text = f"# keys\n\nAPCA_API_KEY_ID={KEY}\n APCA_API_SECRET_KEY = '{SECRET}' \nNIGHTDESK_NOTIFY=\"{ADDRESS}\"\n"
    _written(file, text, mode)
    assert _values(settings()) == (KEY, SECRET, ADDRESS)


def test_the_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _written(file, f"APCA_API_KEY_ID={KEY}\nAPCA_API_SECRET_KEY={SECRET}\nNIGHTDESK_NOTIFY={ADDRESS}\n")
    monkeypatch.setenv("APCA_API_KEY_ID", "OTHERKEY")
    monkeypatch.setenv("NIGHTDESK_NOTIFY", "")
    assert _values(settings()) == ("OTHERKEY", SECRET, "")


def test_without_a_file_there_are_no_secrets(file: Path) -> None:
    assert _values(settings()) == ("", "", "")


def _refused() -> str:
    with pytest.raises(Misconfigured) as error:
        settings()
    told = traceback.TracebackException.from_exception(error.value)
    said = f"{error.value} {error.value.values} {''.join(told.format())}"
    assert not any(part in said for part in (KEY, SECRET, "canaryToken"))
    return str(error.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o700, 0o644, 0o601])
def test_a_file_that_is_not_private_is_refused_with_its_mode(file: Path, mode: int) -> None:
    _written(file, f"APCA_API_SECRET_KEY={SECRET}\n", mode)
    said = _refused()
    assert str(file) in said and f"mode {mode:04o}" in said and "mode 0600 or stricter" in said


def test_a_link_a_folder_and_a_pipe_are_refused(file: Path) -> None:
    target = _written(file.with_name("elsewhere"), f"APCA_API_SECRET_KEY={SECRET}\n")
    file.symlink_to(target)
    assert "a regular file" in _refused()
    file.unlink()
    os.mkfifo(file, 0o600)
    assert "mode 0600, of the user" in _refused()
    file.unlink()
    file.mkdir(0o700)
    assert "a regular file" in _refused()


def test_a_file_of_somebody_else_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _written(file, f"APCA_API_SECRET_KEY={SECRET}\n")
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    assert f"a regular file of the user {own + 1}" in _refused()


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("NIGHTDESK_HOME=/tmp", "the key NIGHTDESK_HOME"),
        (f"AWS_SECRET_ACCESS_KEY={SECRET}", "the key AWS_SECRET_ACCESS_KEY"),
        (SECRET, "no KEY=VALUE"),
        (KEY, "no KEY=VALUE"),
        (f"export APCA_API_SECRET_KEY={SECRET}", "no KEY=VALUE"),
    ],
)
def test_what_else_stands_in_the_file_is_refused_by_its_line_and_name(file: Path, line: str, named: str) -> None:
    _written(file, f"APCA_API_KEY_ID={KEY}\n{line}\n")
    said = _refused()
    assert f"Line 2 of {file} was {named}, allowed: APCA_API_KEY_ID, APCA_API_SECRET_KEY, NIGHTDESK_NOTIFY, " in said


def test_a_file_that_is_no_text_or_far_too_long_is_refused(file: Path) -> None:
    file.write_bytes(b"APCA_API_KEY_ID=\xff\xfe")
    file.chmod(0o600)
    assert "not UTF-8" in _refused()
    _written(file, "#" * 65537)
    assert "65537 bytes" in _refused()


@pytest.mark.parametrize("way", ["environment", "file"])
def test_a_bad_address_is_refused_by_its_place_and_not_shown(way: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = f"{ADDRESS} nosuchservice://canaryToken"
    if way == "file":
        _written(file, f"NIGHTDESK_NOTIFY={both}\n")
    else:
        monkeypatch.setenv("NIGHTDESK_NOTIFY", both)
    assert "NIGHTDESK_NOTIFY: the 2nd of 2 addresses cannot be sent to" in _refused()


def test_settings_do_not_show_their_secrets(file: Path) -> None:
    _written(file, f"APCA_API_KEY_ID={KEY}\nAPCA_API_SECRET_KEY={SECRET}\nNIGHTDESK_NOTIFY={ADDRESS}\n")
    shown = f"{settings()!r} {settings()}"
    assert str(file.parent) in shown
    assert not any(part in shown for part in (KEY, SECRET, "canaryToken"))
