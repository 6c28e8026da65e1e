"""Notices over a real socket: one arrives, one hangs, one fails; no address is ever shown."""

import logging
import socket
from pathlib import Path
from time import monotonic

import pytest
from pydantic import SecretStr

from nightdesk import notices
from nightdesk.notices import addresses_of, require_addresses, secrets_of, send_notice
from tests.notice_server import NoticeServer, taking

TOKEN = "tokenOfTheHook0123456789"


def _sent(*addresses: str) -> bool:
    return send_notice(SecretStr(" ".join(addresses)), "a title", "line one\nline two")


def test_a_notice_arrives_with_its_title_and_its_text_and_nothing_else() -> None:
    with taking(NoticeServer()) as server:
        assert _sent(server.address(TOKEN))
    ((path, body),) = server.posted
    assert path == f"/{TOKEN}"
    assert (body["title"], body["message"], body.get("attachments")) == ("a title", "line one\nline two", [])


def test_without_an_address_nothing_is_sent_and_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert not _sent(" , ")
    assert caplog.text == ""


def test_what_fails_is_named_by_its_place_only_and_the_others_get_theirs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.NOTSET)
    with taking(NoticeServer(500)) as failing, taking(NoticeServer()) as sound, socket.create_server(("127.0.0.1", 0)) as other:
        nobody = other.getsockname()[1]
        other.close()
        assert _sent(failing.address(TOKEN), sound.address("x"), f"json://127.0.0.1:{nobody}/{TOKEN}")
        assert not _sent(failing.address(TOKEN))
    assert (len(failing.posted), len(sound.posted)) == (2, 1)
    assert [row.getMessage() for row in caplog.records] == [
        "A notice did not reach the 1st, 3rd of 3 addresses.",
        "A notice did not reach the 1st of 1 addresses.",
    ]


def test_a_server_that_never_ends_its_answer_holds_nobody_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "SEND_WITHIN_S", 5.0)
    began = monotonic()
    with taking(NoticeServer(trickles=True)) as hanging, taking(NoticeServer()) as sound:
        assert _sent(hanging.address(TOKEN), sound.address())
        took_s = monotonic() - began
    assert (len(hanging.posted), len(sound.posted)) == (1, 1)
    assert took_s < 15  # the server would have gone on for a hundred and more
    assert caplog.messages == ["A notice did not reach the 1st of 2 addresses."]


def test_sending_leaves_nothing_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    with taking(NoticeServer()) as server:
        assert _sent(server.address())
    assert list(tmp_path.rglob("*")) == []


def test_addresses_are_told_apart_by_spaces_and_commas() -> None:
    assert addresses_of(SecretStr(" json://a, json://b\n,json://c ")) == ["json://a", "json://b", "json://c"]


@pytest.mark.parametrize(
    ("address", "hidden"),
    [
        ("mailtos://nightdesk:pa%2Fss@mail.example.org?to=ann", ["pa%2Fss", "pa/ss"]),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#alerts", ["T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7FQ"]),
        ("json://127.0.0.1:8080/services/notify?priority=high", []),
    ],
)
def test_of_an_address_the_password_and_the_tokens_are_secrets_and_the_words_are_not(address: str, hidden: list[str]) -> None:
    assert secrets_of(SecretStr(address)) == [address, *hidden]


@pytest.mark.parametrize(
    "bad", ["nonsense", "nosuchservice://host/token", "slack://incomplete", "file:///etc/passwd", "json://", "http://x/y"]
)
def test_an_address_that_nothing_can_be_sent_to_is_refused_by_its_place(bad: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="the 2nd of 3 addresses") as error:
        require_addresses(SecretStr(f"json://127.0.0.1 {bad} json://127.0.0.1"))
    assert bad not in str(error.value) + "".join(capfd.readouterr())


@pytest.mark.parametrize(("place", "word"), [(1, "1st"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd"), (113, "113th")])
def test_places_are_english_ordinals_up_to_any_number(place: int, word: str) -> None:
    addresses = ["json://127.0.0.1"] * 113
    addresses[place - 1] = "nonsense"
    with pytest.raises(ValueError, match=rf"^the {word} of 113 addresses"):
        require_addresses(SecretStr(" ".join(addresses)))
