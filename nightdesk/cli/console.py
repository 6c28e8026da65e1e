"""nightdesk console"""

from typing import Annotated

import typer


def console(
    port: Annotated[int, typer.Option(help="Where the page listens, on 127.0.0.1 only.", min=1024, max=65535)] = 4300,
) -> None:
    """A page on this machine that shows what waits for your consent and takes your answer, beside the state of each book."""
    import getpass
    import socket
    from functools import partial

    import uvicorn

    from nightdesk.cli.approving import answered, newer_closes
    from nightdesk.clock import WallClock
    from nightdesk.console.app import Room, console_app
    from nightdesk.errors import Misconfigured
    from nightdesk.settings import settings

    here = settings()
    room = Room(
        here.ledgers, port, f"{getpass.getuser()} (page)", WallClock().now, partial(newer_closes, here), partial(answered, here)
    )
    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError:
        raise Misconfigured.value("--port", port, "a port that nothing listens on") from None
    config = uvicorn.Config(console_app(room), log_level="warning", access_log=False, server_header=False, date_header=False)
    print(f"http://127.0.0.1:{port} (Ctrl-C stops it)", flush=True)
    uvicorn.Server(config).run(sockets=[listening])
