"""Building blocks of charts."""

from __future__ import annotations

from rnnimp.pipeline.report import charts


def test_series_differ_without_colours() -> None:
    names = [f"s{number}" for number in range(6)]
    channels = charts.series("tool", names)
    for channel in ("shape", "strokeDash"):
        shown = channels[channel]["scale"]["range"]
        assert len({str(value) for value in shown}) == 6
    assert "strokeDash" not in charts.series("tool", names, with_dashes=False)
    assert len(charts.series("tool", [*names, "s6"])["color"]["scale"]["range"]) == 7


def test_the_place_is_rounded_outward() -> None:
    low, high = charts.place_params(1.23456, 2.34567)
    assert (low["value"], high["value"]) == (1.234, 2.346)
