"""The plots draw what they are given. What a viewer sees is read back from the pixels."""

import re
import subprocess
import sys
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nightdesk.performance.plots import BENCHMARK_COLOUR, BOOK_COLOUR, confusion_matrix_plot, equity_plot
from schemas.equity import Equity


def equity_frame(count, *, flow=0.0, benchmark=True):
    returns = np.random.default_rng(3).normal(0.0003, 0.01, size=(2, count))
    returns[:, 0] = 0
    own, market = 100_000 * np.cumprod(1 + returns, axis=1)
    flows = np.zeros(count)
    flows[count // 2] = flow
    frame = pd.DataFrame(
        {
            Equity.session: pd.bdate_range("2014-01-06", periods=count),
            Equity.cash: 0.0,
            Equity.positions_value: own,
            Equity.equity: own,
            Equity.flow: flows,
            Equity.benchmark: market if benchmark else np.nan,
        }
    )
    return Equity.validate(frame)


def pixels(png):
    return np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)


def painted(png, colour):
    """Rows and columns of the pixels in `colour`."""
    wanted = np.array([int(part, 16) for part in re.findall("..", colour[1:])])
    return np.nonzero((np.abs(pixels(png) - wanted) < 12).all(axis=2))


@pytest.mark.parametrize("count", [1, 2, 8, 9, 30, 120, 1300])
def test_equity_plot_of_any_length_is_a_png_of_the_promised_size_with_both_curves(count):
    png = equity_plot(equity_frame(count), "sp500_svc", "USD")
    assert pixels(png).shape == (520, 900, 3)
    for colour in (BOOK_COLOUR, BENCHMARK_COLOUR):
        rows, _ = painted(png, colour)
        assert rows[rows < 330].size and rows[rows > 350].size  # equity above, drawdown below


def test_equity_plot_without_a_benchmark_draws_only_the_book():
    png = equity_plot(equity_frame(50, benchmark=False), "sp500_svc", "USD")
    assert painted(png, BOOK_COLOUR)[0].size
    red, _, blue = np.moveaxis(pixels(png), 2, 0)
    assert not (red > blue + 30).any()  # no trace of the benchmark's colour, in the legend neither


def test_equity_plot_leaves_the_drawdown_of_a_deposit_alone():
    quiet, paid_in = equity_frame(40), equity_frame(40, flow=50_000.0)
    paid_in.loc[20:, Equity.equity] *= 1 + 50_000 / quiet[Equity.equity].iloc[19]
    below = slice(365, None)
    assert np.array_equal(
        pixels(equity_plot(quiet, "book", "USD"))[below, 110:], pixels(equity_plot(paid_in, "book", "USD"))[below, 110:]
    )


@pytest.mark.parametrize(
    "draw", [lambda: equity_plot(equity_frame(60), "book", "USD"), lambda: confusion_matrix_plot([[3, 1], [2, 4]], "book")]
)
def test_equal_input_gives_equal_bytes_that_name_no_software_and_no_time(draw):
    png = draw()
    assert png == draw()
    assert not set(Image.open(BytesIO(png)).info) & {"Software", "Creation Time", "date"}


def test_confusion_matrix_shades_each_row_by_its_shares():
    png = confusion_matrix_plot([[10, 90], [45, 5]], "Test sessions")
    image = pixels(png)
    assert image.shape == (420, 480, 3)
    (upper, lower), (left, right) = (60, 220), (130, 290)  # inside each cell, clear of its text
    blue = {cell: image[cell][0] for cell in [(upper, left), (upper, right), (lower, left), (lower, right)]}
    assert blue[upper, right] == blue[lower, left] < blue[upper, left] == blue[lower, right]


def test_confusion_matrix_with_an_empty_row_is_drawn_pale():
    image = pixels(confusion_matrix_plot([[0, 0], [98, 1480]], "Test sessions"))
    assert (image[60, 130] > 240).all() and (image[60, 290] > 240).all()


def test_the_room_is_imported_without_matplotlib_and_draws_without_pyplot():
    code = (
        "import sys; from nightdesk.performance import plots; assert 'matplotlib' not in sys.modules;"
        "plots.confusion_matrix_plot([[1, 2], [3, 4]], 'x'); assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
