"""`nightdesk submit` at an instant that a test names: `python submit_at.py INSTANT --strategy ...`."""

import sys
from datetime import datetime

from nightdesk.cli import main
from nightdesk.clock import WallClock

if __name__ == "__main__":
    instant = datetime.fromisoformat(sys.argv.pop(1))
    WallClock.now = lambda _: instant  # type: ignore[method-assign]  # the program has no switch for a false clock
    main()
