"""The command line, one command a file. Heavy imports live inside the commands: `--help` and `status` stay quick."""

import gc
import logging
import sys

import typer

from nightdesk.cli import (
    adopt,
    audit,
    automations,
    backfill,
    backtest,
    check,
    consent,
    console,
    day,
    doctor,
    halt,
    heartbeat,
    lineage,
    live,
    models,
    optimise,
    quarantine,
    replay,
    status,
    stop,
    submit,
    tearsheet,
    up,
)
from nightdesk.errors import NightdeskError

app = typer.Typer(
    name="nightdesk",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A daily machine-learning trading desk that runs after the market's close.",
    epilog="Everything is written below NIGHTDESK_HOME (default: var/). Exit codes: 0 a good outcome, 1 a bug, 2 settings, "
    "3 data, 4 limits, 5 an order refused, 6 ledger and broker differ, 7 try again.",
)
app.command("day")(day.day)
app.command("backfill")(backfill.backfill)
app.command("backtest")(backtest.backtest)
app.command("optimise")(optimise.optimise)
app.command("trace")(lineage.trace)
app.command("replay")(replay.replay)
app.command("check")(check.check)
app.command("audit")(audit.audit)
app.add_typer(quarantine.app, name="quarantine")
app.command("tearsheet")(tearsheet.tearsheet)
app.command("status")(status.status)
app.command("submit")(submit.submit)
app.command("adopt")(adopt.adopt)
app.command("consent")(consent.consent)
app.command("approve")(consent.approve)
app.command("reject")(consent.reject)
app.command("console")(console.console)
app.command("halt")(halt.halt)
app.command("resume")(halt.resume)
app.command("models")(models.models)
app.command("promote")(models.promote)
app.command("rollback")(models.rollback)
app.command("live")(live.live)
app.command("stop")(stop.stop)
app.command("flatten")(stop.flatten)
app.command("doctor")(doctor.doctor)
app.command("heartbeat")(heartbeat.heartbeat)
app.command("automations")(automations.automations)
app.command("up")(up.up)


def main() -> None:
    """The `nightdesk` command. An error that an operator can act on is one sentence and its exit code; a traceback is a bug."""
    aloud = logging.StreamHandler()  # standard error; Prefect's own handlers keep to its pages
    aloud.setFormatter(logging.Formatter("nightdesk: %(message)s"))
    logging.getLogger("nightdesk").addHandler(aloud)
    try:
        app()
    except NightdeskError as error:
        print(f"nightdesk: {error.message}", file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        logging.getLogger("nightdesk").removeHandler(aloud)
        gc.freeze()  # the interpreter's last collection walks every object of MLflow and Prefect: two seconds for nothing
