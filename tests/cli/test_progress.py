"""The progress display of a training."""

from __future__ import annotations

import io
import logging

import pytest
from tqdm import tqdm

from rnnimp.cli.progress import BarDisplay, Board, LineDisplay
from rnnimp.training.trainer import Evaluation


def evaluation(iteration: int, r2: float) -> Evaluation:
    return Evaluation(iteration, 0.01, 0.2, 0.1, r2, 1.0)


def test_one_network_then_the_next() -> None:
    board = Board()
    board.add(6, "higher", 100)
    assert (board.title, board.state, board.done) == ("region 6, higher", "starting", 0)
    board.tell(6, "higher", evaluation(10, 0.5))
    assert board.state == "iteration 10 of at most 100, validation R2 0.5000, loss 0.1000, rate 0.01"
    board.add(6, "lower", 100)
    assert (board.title, board.total, board.done) == ("region 6, lower", 100, 0)


def test_many_networks_at_once() -> None:
    board = Board()
    for region in (1, 2):
        for name in ("higher", "lower"):
            board.add(region, name, 100)
    board.tell(1, "higher", evaluation(10, 0.5))
    board.tell(2, "lower", evaluation(20, 0.7))
    assert board.title == "2 regions, higher+lower"
    assert board.state == "iteration 10 to 20 of at most 100, validation R2 0.5000 to 0.7000, mean 0.6000"
    assert (board.total, board.done) == (400, 30)


def test_lines_come_at_the_start_and_then_rarely(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    display = LineDisplay()
    tell = display.network(1, "higher", 100)
    for iteration in (10, 20, 30):
        tell(evaluation(iteration, 0.5))
    display.network(1, "lower", 100)(evaluation(10, 0.25))
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(":")[0] for line in lines] == ["region 1, higher", "region 1, lower"]
    assert "validation R2 0.2500" in lines[1]


def test_a_bar_shows_the_share_done() -> None:
    screen = io.StringIO()
    display = BarDisplay(lambda **options: tqdm(file=screen, mininterval=0, **options))
    for region in (1, 2):
        display.network(region, "higher", 100)(evaluation(50, 0.5))
    display.finish_region(1)
    display.finish_region(2)
    assert "2 regions, higher: " in screen.getvalue()
    assert "100/200" in screen.getvalue()
