"""The `nightdesk` command on the clock of Alpaca's stub: the program itself has no switch for a false clock."""

import json
from datetime import datetime
from urllib.request import urlopen

from nightdesk.cli import main
from nightdesk.clock import WallClock
from nightdesk.settings import settings


def stub_time(_: WallClock) -> datetime:
    with urlopen(f"{settings().alpaca_url}/stub/state", timeout=10) as answer:
        return datetime.fromisoformat(json.load(answer)["now"])


if __name__ == "__main__":
    WallClock.now = stub_time  # type: ignore[method-assign]  # that is the purpose
    main()
