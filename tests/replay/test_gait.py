"""The gait of recordings: made by hand, with known weight, way and strides."""

import dataclasses
from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest

from surefoot.replay import Recording, pack_model
from surefoot.replay.figures import INK, curves_figure, gait_figure
from surefoot.replay.gait import footfalls, gait_table, measure, mirrored, short_names
from surefoot.replay.palette import colours

SVG = "{http://www.w3.org/2000/svg}"
MODEL = """
<mujoco>
<worldbody><body name="box"><joint name="x" type="slide" axis="1 0 0"/><geom name="g" size=".1" mass="2"/></body></worldbody>
<actuator><motor joint="x" gear="2"/></actuator></mujoco>
"""
FEET = ("front_left_foot", "front_right_foot")


def sled(label: str = "sled", **changes) -> Recording:
    """A mass of 2 kg that slides along x at 1 m/s for 2 s, pushed with 2 x 5 N."""
    steps, dt = 100, 0.02
    zeros = np.zeros((steps, 0))
    recording = Recording(
        robot="sled", task="slide", label=label, dt=dt, model=pack_model(mujoco.MjSpec.from_string(MODEL)), base="box",
        qpos=np.arange(steps)[:, None] * dt, qvel=np.ones((steps, 1)), action=np.zeros((steps, 1)),
        force=np.full((steps, 1), 5.0), reward=np.zeros(steps), done=np.zeros(steps), command=zeros, actual=zeros,
        contact=np.stack([np.tile([True] * 6 + [False] * 4, 10), np.tile([True] * 4 + [False] * 6, 10)], axis=1),
        foot_names=FEET,
    )  # fmt: skip
    return dataclasses.replace(recording, **changes)


def test_a_recording_by_hand() -> None:
    gait = measure(sled())
    assert gait.feet == ("front left", "front right")
    assert gait.duty == pytest.approx([0.6, 0.4])
    assert gait.frequency == pytest.approx([5.0, 5.0])
    assert gait.symmetry == pytest.approx(0.4)
    assert gait.speed == pytest.approx(1.0, abs=0.011)
    # 10 N over the way, against 2 kg x 9.81 m/s^2.
    assert gait.cost == pytest.approx(10 / (2 * 9.81), rel=0.02)


def test_the_robot_weighs_what_its_parameters_say() -> None:
    nominal = measure(sled()).cost
    assert measure(sled(parameters={"payload": 2.0})).cost == pytest.approx(nominal / 2)
    assert measure(sled(parameters={"mass.box": 2.0, "gravity": 9.81 / 4})).cost == pytest.approx(nominal * 2)
    later = measure(sled(changes=[(50, {"payload": 2.0})])).cost
    assert nominal / 2 < later < nominal


def test_a_restart_is_no_way() -> None:
    recording = sled()
    done, qpos = recording.done.copy(), recording.qpos.copy()
    done[49], qpos[50:] = 1, qpos[:50]
    assert measure(dataclasses.replace(recording, done=done, qpos=qpos)).speed == pytest.approx(1.0, abs=0.021)


def test_pairs_and_names_of_feet() -> None:
    assert mirrored(("FR_foot", "FL_foot", "RR_foot", "RL_foot")) == [(1, 0), (3, 2)]
    assert mirrored(("front_left_foot", "front_right_foot", "third")) == [(0, 1)]
    assert mirrored(("FLAG", "FRAG")) == []
    assert short_names(("a_foot",)) == ("a",)
    assert short_names(()) == ()


def test_a_recording_without_feet_has_dashes() -> None:
    bare = sled(contact=np.zeros((100, 0)), foot_names=())
    assert gait_table([bare])["rows"][0][2:5] == ["-", "-", "-"]


def test_the_gait_diagram_has_a_bar_for_each_stance() -> None:
    assert len(footfalls(sled(), seconds=1.0)["contact"]) == 50
    found = {**footfalls(sled("<b>evil</b>")), "contact": sled().contact[:50], "start": 0.0}
    root = ElementTree.fromstring(gait_figure([found, footfalls(sled("after"), seconds=0.5)]))
    bars = [r for r in root.iter(f"{SVG}rect") if r.get("class") == "s0 dot"]
    widths = sorted({float(r.get("width", 0)) for r in bars})
    assert len(bars) == 10
    assert widths[-1] / widths[0] == pytest.approx(1.5, rel=0.01)  # 6 rows against 4
    assert "<b>evil</b>: feet on the ground" in [t.text for t in root.iter(f"{SVG}text")]
    ends = [
        float(r.get("x", 0)) + float(r.get("width", 0)) for r in root.iter(f"{SVG}rect") if r.get("class") == "s1 dot"
    ]
    assert max(ends) < float(root.get("width", 0)) * 0.6  # half as long, on the same scale


def test_curves_share_plots_and_have_bands() -> None:
    axes = {"xlabel": "steps", "ylabel": "return", "x": [0.0, 1.0]}
    curves = [
        {**axes, "label": "before", "y": [0.0, 1.0], "low": [0.0, 0.5], "high": [0.5, 4.0]},
        {**axes, "label": "after", "y": [1.0, 2.0]},
        {**axes, "ylabel": "length", "label": "after", "y": [5.0, 5.0]},
    ]
    root = ElementTree.fromstring(curves_figure(curves))
    assert [line.get("class") for line in root.iter(f"{SVG}polyline")] == ["line s0", "line s1", "line s1"]
    (band,) = root.iter(f"{SVG}polygon")
    heights = [float(point.split(",")[1]) for point in band.get("points", "").split()]
    assert band.get("class") == "s0 band"
    frame = next(r for r in root.iter(f"{SVG}rect") if r.get("class") == "frame")
    assert min(heights) > float(frame.get("y", 0))  # the interval fits into its plot


def test_what_was_commanded_is_dashed_ink_and_takes_no_colour_from_others() -> None:
    axes = {"x": [0, 1], "y": [0, 1], "xlabel": "s", "ylabel": "vx"}
    lines = [{**axes, "label": "commanded", "commanded": True}, {**axes, "label": "walk"}]
    svg = curves_figure(lines)
    assert f".s0 {{ stroke: {INK[0]}; stroke-dasharray: 5 4; }}" in svg
    assert f".s1 {{ stroke: {colours(['walk'])[0][0]}; }}" in svg
