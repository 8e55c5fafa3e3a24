"""The progress display of a training."""

from __future__ import annotations

import io
import logging
from dataclasses import replace

import pytest

from rnnimp.cli.progress import BarDisplay, Board, LineDisplay, bar_line, log_line
from rnnimp.pipeline.train.progress import ProgressNote

NOTE = ProgressNote(
    network="higher",
    network_number=1,
    n_networks=3,
    iteration=50,
    max_iterations=100,
    share_done=0.25,
    validation_r2=0.5,
    seconds_left=790.0,
    is_upper_bound=False,
)


def board_of(n_regions: int, **notes: ProgressNote | None) -> Board:
    board = Board()
    board.n_regions = n_regions
    for name, note in notes.items():
        board.show(int(name.removeprefix("region")), note)
    return board


def test_a_region_in_a_log() -> None:
    assert log_line(board_of(1, region6=NOTE)) == (
        "region 6: higher-MAF network (1 of 3): iteration 50 of 100, validation R2 0.5000; about 14 min left for "
        "region 6"
    )


def test_many_regions_at_once_in_a_log() -> None:
    other = replace(NOTE, network="lower", network_number=2, iteration=60, validation_r2=0.7, seconds_left=7900.0)
    board = board_of(9, region1=NOTE, region2=other, region3=None)
    board.finish(3)
    assert log_line(board) == (
        "1 of 9 regions done; 2 regions at once: higher-MAF network (1 of 3) and lower-MAF network (2 of 3): iteration "
        "50 to 60 of 100, validation R2 0.5000 to 0.7000; about 2 h 12 min left for 2 regions at once"
    )


@pytest.mark.parametrize(
    ("width", "end"),
    [
        (68, "25%, about 14 min left; network 1 of 3"),
        (80, "25%, about 14 min left; network 1 of 3, R2 0.5000"),
        (97, "25%, about 14 min left; higher-MAF network (1 of 3), R2 0.5000"),
        (110, "25%, about 14 min left; higher-MAF network (1 of 3), validation R2 0.5000"),
        (160, "25%, about 14 min left; higher-MAF network (1 of 3), validation R2 0.5000"),
    ],
)
def test_details_give_way_to_the_bar(width: int, end: str) -> None:
    line = bar_line(board_of(1, region6=NOTE), width, 0.0, 0)
    assert len(line) < width
    assert line.endswith(end)
    bar = line[line.index("[") + 1 : line.index("]")]
    assert len(bar) >= 12
    assert bar.count("#") == len(bar) // 4


def test_a_narrow_terminal_has_no_bar_but_the_time_left() -> None:
    line = bar_line(board_of(1, region6=NOTE), 40, 0.0, 0)
    assert line == "| region 6:   25%, about 14 min left"


def test_something_moves_before_the_first_iteration() -> None:
    lines = [bar_line(board_of(6, region1=None), 80, seconds, turn) for turn, seconds in enumerate((2.0, 3.0))]
    assert [line[0] for line in lines] == ["|", "/"]
    assert lines[1].endswith("0%, preparing, 3 s")
    assert "0 of 6 regions done; region 1: [....." in lines[1]
    assert bar_line(Board(), 80, 1.0, 0).startswith("| starting: [....")
    assert bar_line(Board(), 80, 1.0, 0).endswith("]   0%, 1 s")


def test_lines_come_at_the_start_of_a_network_and_then_rarely(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = 0.0
    display = LineDisplay(lambda: now)
    display.start(1)
    display.show(1, None)
    display.show(1, replace(NOTE, validation_r2=None))
    for iteration in (10, 20, 30):
        display.show(1, replace(NOTE, iteration=iteration))
    display.show(1, replace(NOTE, network="lower", network_number=2, iteration=10, validation_r2=0.25))
    now = 61.0
    display.show(1, replace(NOTE, network="lower", network_number=2, iteration=20, validation_r2=0.25))
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(",")[0] for line in lines] == [
        "region 1: higher-MAF network (1 of 3): iteration 10 of 100",
        "region 1: lower-MAF network (2 of 3): iteration 10 of 100",
        "region 1: lower-MAF network (2 of 3): iteration 20 of 100",
    ]


def test_log_lines_appear_above_the_bar_and_nothing_is_left_of_it() -> None:
    screen = io.StringIO()
    handler = logging.StreamHandler(screen)
    logger = logging.getLogger()
    logger.addHandler(handler)
    try:
        with BarDisplay(screen) as display:
            display.start(1)
            display.show(1, NOTE)
            logging.getLogger("rnnimp").warning("a message")
        logging.getLogger("rnnimp").warning("another")
    finally:
        logger.removeHandler(handler)
    pieces = screen.getvalue().split("\r\033[K")
    assert pieces[1].startswith("| starting: [")
    assert pieces[2] == "a message\n"
    assert pieces[3].startswith("| region 1: [###...")
    assert pieces[-1] == "another\n"
