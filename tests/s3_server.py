"""A server that speaks S3, in a process of its own: `python -m tests.s3_server` prints its port and ends with its input.

It cannot be a thread of the process that reads: the reader holds the interpreter while it waits for the answer.
"""

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parent.parent
BUCKET = "bars"


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """Start one with an empty bucket `BUCKET`; gives the environment in which deltalake finds it."""
    command = [sys.executable, "-m", "tests.s3_server"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        port = process.stdout.readline().strip() if process.stdout else ""
        url = f"http://127.0.0.1:{port}"
        put_object(f"{url}/{BUCKET}", b"")
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "anyone",
            "AWS_SECRET_ACCESS_KEY": "anything",
            "AWS_REGION": "us-east-1",
        }
        if process.stdin:
            process.stdin.close()


def put_object(url: str, content: bytes | None) -> None:
    """Write an object, or make a bucket; None deletes it. The server asks for a signature and does not check it."""
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=anyone/20190107/us-east-1/s3/aws4_request",
        "Content-Type": "application/octet-stream",
    }
    method = "DELETE" if content is None else "PUT"
    with urlopen(Request(url, data=content, method=method, headers=headers), timeout=30):
        pass


def serve() -> None:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print(server.get_host_and_port()[1], flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    serve()
