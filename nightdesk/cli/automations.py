"""nightdesk automations"""


def automations() -> None:
    """Make or renew the desk's automations on a Prefect server: that of `nightdesk up`, which does it itself, or
    that of NIGHTDESK_PREFECT_API_URL.

    They mark runs that died as crashed, and where NIGHTDESK_NOTIFY is set they say so to a person. One that you paused stays so.
    """
    from nightdesk.cli.deployments import START, reached_server
    from nightdesk.errors import Misconfigured
    from nightdesk.settings import settings

    here = settings()
    if not reached_server(here):
        raise Misconfigured(f"No Prefect server can be reached: {START}, NIGHTDESK_PREFECT_API_URL names another.")
    from flows.automations import save_automations

    for name in save_automations(here.notify):
        print(name)
