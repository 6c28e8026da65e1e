"""The `nightdesk` command by the clock of Alpaca's stub: `python submit_process.py submit --strategy FILE ...`.

The clock stands at the stub's instant when the process starts, and goes on from there. The last line on standard error names the
modules of Prefect, MLflow, scikit-learn and skops that it has imported by its end, as JSON.
"""

import json
import sys
from datetime import datetime, timedelta
from time import monotonic
from urllib.request import urlopen

from nightdesk.cli import main
from nightdesk.clock import WallClock
from nightdesk.settings import settings

HEAVY = ("prefect", "mlflow", "sklearn", "skops")


def stub_now(url: str) -> datetime:
    with urlopen(f"{url}/stub/state", timeout=30) as answer:
        return datetime.fromisoformat(json.load(answer)["now"])


if __name__ == "__main__":
    began, started = stub_now(settings().alpaca_url), monotonic()
    WallClock.now = lambda self: began + timedelta(seconds=monotonic() - started)  # type: ignore[method-assign]  # this process has no other clock
    try:
        main()
    finally:
        print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules} & {*HEAVY})), file=sys.stderr)
