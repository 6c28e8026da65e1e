"""nightdesk up"""


def up() -> None:
    """Start Prefect, MLflow and a worker on this machine, apply the deployments, and start again what dies.

    All of it listens on 127.0.0.1 only, writes below the home only, and ends with this command.
    """
    from functools import partial

    from nightdesk.cli.serve import only_up, remove_addresses, start_all, where_to_look
    from nightdesk.cli.services import Services
    from nightdesk.settings import prepare_environment, service_environment, settings

    here = settings()
    try:
        with only_up(here):
            prepare_environment(here)
            with Services(here.home / "logs", service_environment(here)) as services:
                try:
                    start_all(services, here)
                    print(where_to_look(here), flush=True)
                    services.watch(partial(print, flush=True))
                finally:
                    remove_addresses(here)
                    print("Stopping.", flush=True)
    except KeyboardInterrupt:
        print("Stopped.", flush=True)
