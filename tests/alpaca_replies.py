"""Orders sent to Alpaca's stub, and answers that say nothing clear."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

from nightdesk.brokers.alpaca import AlpacaBroker
from nightdesk.brokers.broker import Answer, OrderRequest
from tests.alpaca_data_server import Reply, told
from tests.alpaca_faults import BUSY, CLOSED, DROPPED, HTML, PAGE, TIMED_OUT
from tests.alpaca_rules import NEW_YORK
from tests.alpaca_world import AlpacaWorld


def request(
    world: AlpacaWorld, order_id: str = "a", quantity: str = "10", force: str = "opg", symbol: str = "SPY"
) -> OrderRequest:
    following = world.stub.account.next_session()
    return OrderRequest(order_id, symbol, Decimal(quantity), force, following)


def send(broker: AlpacaBroker, world: AlpacaWorld, **changes: str) -> Answer:
    return broker.submit_order(request(world, **changes))


def new_york(session: date, hour: int, minute: int) -> datetime:
    return datetime.combine(session, time(hour, minute), NEW_YORK).astimezone(UTC)


REPLIES = {
    "504": TIMED_OUT,
    "dropped": DROPPED,
    "closed without a byte": CLOSED,
    "502 of html": HTML,
    "500": told(500, {"message": "internal server error occurred"}),
    "503 empty": Reply(503),
    "429": BUSY,
    "401": told(401, {"message": "unauthorized."}),
    "401 of html": Reply(401, PAGE, {"Content-Type": "text/html"}),
    "403 of html": Reply(403, PAGE, {"Content-Type": "text/html"}),
    "403 without a code": told(403, {"message": "forbidden."}),
    "403 about the keys": told(403, {"code": 40110000, "message": "access key verification failed"}),
    "404": told(404, {"code": 40410000, "message": "endpoint not found."}),
    "408": told(408, {"code": 40810000, "message": "request timeout"}),
    "422 of html": Reply(422, PAGE),
    "422 without a sentence": told(422, {"code": 42210000}),
    "200 empty": Reply(200),
    "200 of html": Reply(200, PAGE),
    "200 cut off": Reply(200, b'{"id": "61e69015-8549-4bfd-b9c3-01e75843f47d", "client_or'),
    "200 null": told(200, None),
    "200 list": told(200, []),
    "200 with a message": told(200, {"message": "ok"}),
    "201": told(201, {"client_order_id": "a", "status": "new"}),
    "204": Reply(204),
    "redirect": Reply(302, b"", {"Location": "/elsewhere"}),
    "redirect with a body": Reply(307, b"{}", {"Location": "/elsewhere"}),
}
