"""The stub as a process of its own, moved over HTTP, and the adapter that trades there."""

from datetime import timedelta
from decimal import Decimal

from pydantic import SecretStr

from nightdesk.brokers.alpaca import AlpacaBroker
from nightdesk.brokers.broker import OrderRequest
from tests.alpaca_data_server import KEY_ID, SECRET_KEY
from tests.alpaca_stub_process import stub_process
from tests.alpaca_world import evening
from tests.paper_market import SESSIONS


def test_an_order_goes_to_a_stub_in_another_process_whose_market_a_test_moves() -> None:
    now = evening(SESSIONS[0])
    with stub_process(now, cash=5_000, validate=True) as stub:
        stub.show_open(SESSIONS[1], "SPY", 100.0)
        stub.fault("accept-then-504", times=1)
        broker = AlpacaBroker(KEY_ID, SecretStr(SECRET_KEY), "paper", lambda: now, stub.url)
        request = OrderRequest("a", "SPY", Decimal(10), "opg", SESSIONS[1])
        assert broker.submit_order(request).outcome == "unknown"
        assert broker.submit_order(request).outcome == "accepted"
        assert [row["client_order_id"] for row in stub.orders()] == ["a"]
        assert len(stub.asked("POST")) == 2
        stub.set_time(evening(SESSIONS[1]))
        stub.book("CSD", "more", 0.5)
        stub.rename("SPY", "SPYX")
        state = stub.set(skew=600)
        assert (state["cash"], state["positions"], state["invalid"], state["faults"]) == ("4000.50", {"SPYX": "10"}, [], 0)
        assert broker.positions() == {"SPYX": 10}
        assert broker.clock().at - evening(SESSIONS[1]) == timedelta(minutes=10)
        stub.set_account(flags={"account_blocked": True})
        assert broker.account().blocked == "account_blocked"
        broker.close()
