"""Paper and live ledgers cannot be opened crosswise, however a file came by its name."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nightdesk.errors import Misconfigured
from nightdesk.ledger.file import ledger_file
from nightdesk.settings import Settings
from nightdesk.wiring.orders import open_ledger
from tests.ledgers import BOOK


@pytest.mark.parametrize("moved", [os.rename, shutil.copy, os.symlink, os.link])
def test_a_paper_ledger_is_not_opened_as_the_live_one(moved: Callable[[Path, Path], object], tmp_path: Path) -> None:
    here = Settings(home=tmp_path)
    ledger = open_ledger("paper", here)
    ledger.open_book(BOOK)
    ledger.close()
    moved(ledger_file(tmp_path, "paper"), ledger_file(tmp_path, "live"))
    with pytest.raises(Misconfigured, match=r"live\.sqlite is opened as the live ledger, but holds paper books"):
        open_ledger("live", here)


def test_a_live_book_in_the_file_of_paper_is_refused_as_well(tmp_path: Path) -> None:
    here = Settings(home=tmp_path)
    ledger = open_ledger("paper", here)
    ledger.open_book(BOOK)
    ledger.open_book(replace(BOOK, book_id="live/acct/seed", mode="live"))
    ledger.close()
    with pytest.raises(Misconfigured, match="opened as the paper ledger, but holds live books"):
        open_ledger("paper", here)
