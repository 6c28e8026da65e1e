"""One plain day as a process of its own: `python plain_day.py STRATEGY SESSION`."""

import sys
from datetime import date

from nightdesk.day.play import play_day
from nightdesk.settings import prepare_environment, settings

if __name__ == "__main__":
    prepare_environment(settings())
    play_day(sys.argv[1], date.fromisoformat(sys.argv[2]), "paper", "manual", settings())
