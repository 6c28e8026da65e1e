"""nightdesk console"""

from typing import Annotated

import typer

HOST = "127.0.0.1"


def console(
    port: Annotated[int, typer.Option(help="Where the page listens.", min=1024, max=65535)] = 4300,
    host: Annotated[str, typer.Option(help="The interface; another than 127.0.0.1 needs --address.")] = HOST,
    address: Annotated[str, typer.Option(help="Where others reach it, as https://desk.example: asks for a token.")] = "",
) -> None:
    """The desk on a page: every book today, its orders and decisions, what waits for your consent, halt and resume."""
    import getpass
    import socket
    from functools import partial

    import uvicorn

    from nightdesk.cli.approving import answered, newer_closes
    from nightdesk.clock import WallClock
    from nightdesk.console.app import Room, console_app
    from nightdesk.errors import Misconfigured
    from nightdesk.settings import settings
    from nightdesk.tracking.tracker import run_page

    here = settings()
    token = _token(host, address, here.console_token.get_secret_value())
    who, closes, answer = f"{getpass.getuser()} (page)", partial(newer_closes, here), partial(answered, here)
    room = Room(here.ledgers, port, who, WallClock().now, closes, answer, address, token, partial(run_page, here.mlflow_url))
    try:
        listening = socket.create_server((host, port))
    except OSError:
        raise Misconfigured.value("--port", port, f"a port of {host} that nothing listens on") from None
    config = uvicorn.Config(
        console_app(room), log_level="warning", access_log=False, server_header=False, date_header=False, proxy_headers=False
    )
    print(f"{address or f'http://{HOST}:{port}'} (Ctrl-C stops it)", flush=True)
    if token and not here.console_token.get_secret_value():
        print(f"Token: {token}", flush=True)
    uvicorn.Server(config).run(sockets=[listening])


def _token(host: str, address: str, chosen: str) -> str:
    """What is asked for; "" where only this machine can open the page. Raises `Misconfigured` for an address that is none."""
    import ipaddress
    import secrets

    from nightdesk.errors import Misconfigured
    from nightdesk.settings import is_bare_address

    if address and not is_bare_address(address):
        raise Misconfigured.value("--address", address, "a scheme and a host, as https://desk.example, and nothing after it")
    try:
        outside = not ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise Misconfigured.value("--host", host, "an IP address of this machine, as 127.0.0.1 or 0.0.0.0") from None
    if outside and not address:
        raise Misconfigured(f"--host {host} lets others reach the page: say where, with --address http://HOST:PORT.", host=host)
    return (chosen or secrets.token_urlsafe(32)) if address else ""
