"""The curve of an adaptation travels with the controller into recordings, pages and reports."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from surefoot.controllers.adapted import Adapted
from surefoot.replay import Recording, write_page
from surefoot.replay.adapting import adaptation_curves, curves_of

RECORD = Adapted(
    method="finetune", task="payload=6", seconds=(0, 5, 10), robot_seconds=(0, 60, 120), returns=(1, 2, 4),
    tracking=(0.2, 0.5, 0.8),
)  # fmt: skip


def adapted(recording: Recording, **changes: object) -> Recording:
    record = {**RECORD.model_dump(mode="json"), **changes}
    return dataclasses.replace(recording, controller={"adapted": record})


def test_a_page_has_the_curves_in_the_colour_of_what_was_adapted(before, after, tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", [before, adapted(after)], title="x")
    text = (tmp_path / "page.html").read_text()
    data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', text, re.S)[1])
    returns, tracking = data["curves"]
    assert (returns["y"], tracking["y"]) == ([1, 2, 4], [0.2, 0.5, 0.8])
    assert returns["x"] == [0, 5, 10]
    assert returns["also"] == {"seconds of robot time": [0, 60, 120]}
    assert returns["ylabel"] == "return while adapting (finetune)"
    assert {returns["label"], tracking["label"]} == {"after"}
    assert returns["colour"] == data["recordings"][1]["colour"]


def test_each_curve_once_and_none_of_what_is_no_curve(before, after) -> None:
    assert curves_of([before, after]) == []
    assert len(curves_of([adapted(before), adapted(after)])) == 2
    assert len(curves_of([adapted(before), adapted(after, returns=[3, 2, 1])])) == 4
    assert len(curves_of([adapted(after, tracking=[])])) == 1
    for changes in ({"returns": [1, 2]}, {"returns": "abc"}, {"seconds": [0, "x", 1]}, {"returns": [0, np.inf, 1]}):
        assert curves_of([adapted(after, **changes)]) == []
    assert curves_of([dataclasses.replace(after, controller={"adapted": [1]})]) == []
    assert adaptation_curves({}, "x") == []


def test_a_record_has_one_finite_number_a_point() -> None:
    fields = RECORD.model_dump()
    for wrong in ({"returns": (1.0,)}, {"tracking": (1.0,)}, {"seconds": (0, 1, float("nan"))}, {"other": 1}):
        with pytest.raises(ValidationError):
            Adapted(**{**fields, **wrong})
