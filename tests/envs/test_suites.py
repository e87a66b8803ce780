"""Task suites: the same file everywhere, refused when changed, no task in two splits, and worlds that see `train` alone."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surefoot import api
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.families import FAMILIES
from surefoot.envs.suites import FOLDER, TaskSuite, content_hash, load_suite, make_suite, suite_names, table_of, verify
from surefoot.envs.variation import Task, Variation
from surefoot.robots import SurefootError, get_robot

# What results name. A family whose tasks change gets another version, and another line here.
FROZEN = {
    "ant-cripple": "68f4770d783fec78",
    "ant-cripple-sami": "9fe0a711597e9137",
    "ant-dir": "838a2c3065c8bdfb",
    "ant-forward-backward": "a92127ea865dd841",
    "ant-goal": "c67ef956483ed90c",
    "ant-mass": "81a407a5ee466e0f",
    "arm-payload": "0c3d3e6f0a8daac7",
    "cheetah-cripple": "59b297c3d0749a42",
    "cheetah-dir": "0a5abbd1096c2cef",
    "cheetah-mass-damping": "82e08c526dc11297",
    "cheetah-vel": "4b18abc9583de430",
    "cheetah-vel-gap": "e68bdc4aed92fe0e",
    "go1-transfer": "c5f9a6d2ef1c4618",
    "hexapod-damage": "1ffc4e5cdc9b57a2",
    "hopper-rand-params": "75cdb255e2c2361d",
    "humanoid-dir": "80ea41dd3152c68b",
    "quadruped-damage": "6531d50a63580b8a",
    "quadruped-morphology": "541e746ed39d1048",
    "quadruped-payload": "b2eea23aafdc2c61",
    "quadruped-rma": "fb52fc03e98700e1",
    "quadruped-terrain": "a2274922bf2eb5ef",
    "sunblaze-cheetah": "d891f33a7fe4237b",
    "walker-rand-params": "8ef500c8e1920c69",
}

# One suite needs Menagerie's Go1.
SHIPPED = [pytest.param(n, marks=pytest.mark.menagerie) if FAMILIES[n].get("robots") else n for n in suite_names()]
LAW = {"payload": "0:3", "motor_strength.*": "0.9:1.1", "friction": "log:0.5:2", "vx": "0.5:1"}


def small(**changed: Any) -> TaskSuite:
    splits = {"train": [(LAW, 6)], "test": [(LAW, 3)], "extreme": [({"dead_actuator": "front_left|rear_left"}, 2)]}
    return make_suite(
        **{"name": "small", "robot": "quadruped", "task": "velocity", "splits": splits, "seed": 3, **changed}
    )


def written(path: Path, content: dict[str, Any]) -> Path:
    """A file with the right hash, whatever the content."""
    content = {k: v for k, v in content.items() if k != "sha256"}
    path.write_text(json.dumps({**content, "sha256": content_hash(content)}))
    return path


def test_the_suites_that_come_along_do_not_change() -> None:
    assert {name: load_suite(name).sha256[:16] for name in suite_names()} == FROZEN


@pytest.mark.parametrize("name", SHIPPED)
def test_the_suites_that_come_along_are_what_their_families_say(name: str) -> None:
    suite = load_suite(name)
    verify(suite)
    assert suite.family == name
    assert make_suite(name, **FAMILIES[name]).text().encode() == (FOLDER / f"{name}.json").read_bytes()


def test_every_family_is_there() -> None:
    assert suite_names() == sorted(FAMILIES)


def test_the_ranges_are_those_of_the_protocol() -> None:
    payload = load_suite("quadruped-payload")
    ranges = {"train": (0, 3), "validation": (0, 3), "test": (0, 3), "moderate": (3, 6), "extreme": (6, 9)}
    for split, (low, high) in ranges.items():
        loads = [float(task.parameters["payload"]) for task in payload.tasks(split)]
        assert low <= min(loads) < low + 0.3
        assert high - 0.3 < max(loads) <= high
    for task in payload.tasks("extreme"):
        weak = [v for k, v in task.parameters.items() if k.startswith("motor_strength") and v < 0.85]
        assert len(weak) == 1
        assert 0.4 <= weak[0] <= 0.6


def numbers(name: str, split: str, key: str) -> np.ndarray:
    """What the tasks of a split set `key` to, a parameter or a goal."""
    return np.array([{**t.parameters, **t.goal}[key] for t in load_suite(name).tasks(split)], float)


@pytest.mark.parametrize(
    ("name", "split", "count", "ranges"),
    [
        ("cheetah-vel", "train", 100, {"velocity": (0, 3)}),
        ("cheetah-vel", "test", 30, {"velocity": (0, 3)}),
        ("cheetah-vel", "moderate", 15, {"velocity": (3, 3.5)}),
        ("cheetah-vel", "extreme", 15, {"velocity": (3.5, 4)}),
        ("cheetah-vel-gap", "structural", 30, {"velocity": (0.5, 3)}),
        ("ant-dir", "train", 100, {"angle": (0, 2 * math.pi)}),
        ("ant-goal", "train", 150, {"radius": (0, 3), "angle": (0, 2 * math.pi)}),
        ("ant-goal", "test", 30, {"radius": (0, 3), "angle": (0, 2 * math.pi)}),
        ("humanoid-dir", "train", 100, {"angle": (0, 2 * math.pi)}),
        ("humanoid-dir", "test", 30, {"angle": (0, 2 * math.pi)}),
        ("walker-rand-params", "train", 40, {"mass.torso": (0.296, 3.375), "damping.foot_left_joint": (0.455, 2.197)}),
        ("walker-rand-params", "test", 10, {"friction.foot_geom": (0.296, 3.375)}),
        ("hopper-rand-params", "train", 40, {"mass.thigh": (0.296, 3.375), "damping.leg_joint": (0.455, 2.197)}),
        ("sunblaze-cheetah", "train", 100, {"mass": (0.75, 1.25), "friction": (0.625, 1.375)}),
        ("sunblaze-cheetah", "train", 100, {"motor_strength": (7 / 9, 11 / 9)}),
        ("sunblaze-cheetah", "extreme", 40, {"mass": (0.5, 1.5), "friction": (0.25, 1.75)}),
        ("sunblaze-cheetah", "extreme", 40, {"motor_strength": (5 / 9, 13 / 9)}),
        ("quadruped-rma", "train", 256, {"friction": (0.05, 4.5), "kp": (50 / 55, 60 / 55), "kd": (2 / 3, 4 / 3)}),
        ("quadruped-rma", "train", 256, {"payload": (0, 6.36), "motor_strength.rear_left_calf": (0.9, 1.1)}),
        ("quadruped-rma", "test", 64, {"friction": (0.04, 6), "kp": (45 / 55, 65 / 55), "kd": (0.5, 1.5)}),
        ("quadruped-rma", "test", 64, {"payload": (0, 7.42), "com.y": (-0.0018, 0.0018)}),
        ("quadruped-rma", "test", 64, {"motor_strength.front_left_hip": (0.88, 1.22)}),
        ("go1-transfer", "extreme", 32, {"payload": (6, 9)}),
        ("arm-payload", "train", 128, {"payload": (0, 3), "kp": (0.85, 1.15), "motor_strength.wrist": (0.85, 1.15)}),
        ("arm-payload", "moderate", 33, {"payload": (5, 8)}),
        ("arm-payload", "extreme", 33, {"payload": (7, 10)}),
        ("arm-payload", "structural", 32, {"encoder_offset.elbow": (-0.1, 0.1), "payload": (0, 3)}),
        ("hexapod-damage", "moderate", 32, {"motor_strength.rear_right": (0.1, 0.3), "payload": (0, 1)}),
    ],
)  # fmt: skip
def test_ranges_and_counts(name: str, split: str, count: int, ranges: dict[str, tuple[float, float]]) -> None:
    """Within the range, and reaching to both of its ends as far as so many draws do."""
    for key, (low, high) in ranges.items():
        values, reach = numbers(name, split, key), (0.15 if count >= 100 else 0.5) * (high - low)
        assert len(values) == count
        assert low - 1e-3 <= values.min() <= low + reach
        assert high - reach <= values.max() <= high + 1e-3


def test_what_lies_beyond_training_excludes_it() -> None:
    low, high = numbers("cheetah-vel-gap", "train", "velocity").reshape(2, 50)
    assert low.max() <= 0.5
    assert high.min() >= 3
    for key in ("mass", "friction", "motor_strength"):
        inner, outer = numbers("sunblaze-cheetah", "train", key), numbers("sunblaze-cheetah", "extreme", key)
        assert not ((outer > inner.min()) & (outer < inner.max())).any()
        assert (outer < inner.min()).sum() == (outer > inner.max()).sum() == 20


def test_every_family_is_tested_near_and_far_from_what_it_is_trained_on() -> None:
    for name in suite_names():
        splits = set(load_suite(name).splits)
        assert splits - {"validation"} == {"train", "test", "moderate", "extreme", "structural"}, name


@pytest.mark.parametrize("name", sorted(n for n, family in FAMILIES.items() if "link shorter" in family["about"]))
def test_a_link_is_shorter_in_a_published_familys_last_split_alone(name: str) -> None:
    suite = load_suite(name)
    for split in suite.splits:
        for task in suite.tasks(split):
            short = [float(v) for k, v in task.parameters.items() if k.startswith("length.")]
            assert len(short) == (split == "structural"), (split, task)
            assert all(0.7 <= v <= 0.85 for v in short)


def test_what_lies_beyond_one_range_keeps_to_the_others() -> None:
    inner = {key: numbers("sunblaze-cheetah", "train", key) for key in ("mass", "friction", "motor_strength")}
    beyond = [
        (numbers("sunblaze-cheetah", "moderate", key) < of.min() - 0.02)
        | (numbers("sunblaze-cheetah", "moderate", key) > of.max() + 0.02)
        for key, of in inner.items()
    ]
    assert np.sum(beyond, axis=0).max() == 1
    assert np.sum(beyond) >= 25  # of 30; those near an edge are not counted
    for name in ("walker-rand-params", "hopper-rand-params"):
        widest = {}
        for split in ("train", "moderate", "extreme"):
            tasks = load_suite(name).tasks(split)
            found = [v for t in tasks for k, v in t.parameters.items() if k.startswith("friction.")]
            widest[split] = np.abs(np.log(np.array(found, float))).max() / math.log(1.5)
        assert widest["train"] <= 3 < widest["moderate"] <= 4 < widest["extreme"] <= 5.5 + 1e-5


@pytest.mark.parametrize("name", ["walker-rand-params", "hopper-rand-params"])
def test_masses_and_inertias_have_factors_of_their_own(name: str) -> None:
    """In the models that are simulated, where our parameter `mass` scales the inertia, too."""
    suite = load_suite(name)
    env = BatchEnv(suite.robot, suite.task, 40, tasks=suite.tasks("train"), seed=0)
    sim = env.simulation
    factors = {}
    for field in ("body_mass", "body_inertia"):
        values = sim.batch.expanded(field)
        assert values is not None
        factors[field] = np.log(values[:, 1:] / getattr(sim.model, field)[1:]).reshape(40, sim.model.nbody - 1, -1)
    mass, inertia = factors["body_mass"][..., 0], factors["body_inertia"][..., 1]  # about y, which they turn about
    widest = 3 * math.log(1.5)
    for drawn in (mass, inertia):
        assert 0.9 * widest < np.abs(drawn).max() <= widest + 1e-5
    assert abs(np.corrcoef(mass.ravel(), inertia.ravel())[0, 1]) < 0.2


def test_there_are_two_directions_and_both_are_trained_on() -> None:
    assert sorted(numbers("cheetah-dir", "train", "direction")) == [-1, 1]
    assert np.cos(numbers("ant-forward-backward", "train", "angle")).round(6).tolist() in ([1, -1], [-1, 1])
    for name in ("cheetah-dir", "ant-forward-backward"):  # so that what is tested differs by the robot
        nominal = table_of(load_suite(name).robot).nominal
        for split in load_suite(name).splits:
            values, goals = load_suite(name).rows(split, table_of(load_suite(name).robot))
            assert len(np.unique(goals)) == 2
            assert (values != nominal).any(axis=1).all() == (split != "train")


def test_dead_motors_are_those_of_the_protocol() -> None:
    dead = {}
    for name in ("cheetah-cripple", "ant-cripple"):
        suite = load_suite(name)
        dead[name] = {split: {t.parameters["dead_actuator"] for t in suite.tasks(split)} for split in suite.splits}
    trained = {"bthigh", "bshin", "bfoot", "fthigh"}
    assert dead["cheetah-cripple"] == {
        "train": trained,
        "test": trained,
        "moderate": {"fshin", "ffoot"},
        "extreme": {"fshin+ffoot"},
        "structural": trained,
    }
    assert load_suite("cheetah-cripple").version == 3
    ants = dead["ant-cripple"]
    assert ants["train"] == ants["structural"] == {"front_left", "front_right", "back_left"}
    assert ants["test"] == ants["moderate"] == {"back_right"}
    assert len(ants["extreme"]) == 6
    assert all(pair.count("+") == 1 for pair in ants["extreme"])


def test_masses_are_scaled_alone_as_in_the_published_code() -> None:
    """CaDM's and SaMI's environments multiply body_mass, and leave body_inertia as it is."""
    table, nominal = table_of("half_cheetah"), get_robot("half_cheetah").compile()
    scales = {"train": (0.75, 0.85, 1, 1.15, 1.25), "moderate": (0.4, 0.5, 1.5, 1.6), "extreme": (0.2, 0.3, 1.7, 1.8)}
    scales["test"] = (0.8, 0.92, 1.08, 1.2)
    for split, expected in scales.items():
        rows = load_suite("cheetah-mass-damping").rows(split, table)[0]
        fields = {"dof_damping": np.repeat(nominal.dof_damping[None], len(rows), axis=0), **table.fields(rows)}
        mass = fields["body_mass"][:, 1:] / nominal.body_mass[1:]
        damping = fields["dof_damping"][:, 3:] / nominal.dof_damping[3:]
        assert {(m, d) for m, d in zip(mass[:, 0].round(4), damping[:, 0].round(4), strict=True)} == {
            (m, d) for m in expected for d in expected
        }
        assert np.ptp(mass, axis=1) == pytest.approx(0, abs=1e-9)
        assert np.abs(fields["body_inertia"] - nominal.body_inertia).max() < 1e-5 * nominal.body_inertia.max()


def test_the_ants_legs_are_scaled_as_in_cadm() -> None:
    """mass[2:8] *= scale; mass[8:14] *= 1 / scale: what is heavier in front is lighter behind."""
    table, nominal = table_of("ant"), get_robot("ant").compile()
    scales = {
        "train": (0.85, 0.9, 0.95, 1.0),
        "test": (0.875, 0.925, 0.975),
        "moderate": (0.4, 0.45, 0.5, 0.55, 0.6),
        "extreme": (0.2, 0.25, 0.3, 0.35),
    }
    for split, expected in scales.items():
        fields = table.fields(load_suite("ant-mass").rows(split, table)[0])
        for mass, inertia, scale in zip(fields["body_mass"], fields["body_inertia"], expected, strict=True):
            wanted = nominal.body_mass.copy()
            wanted[2:8] *= scale
            wanted[8:14] *= 1 / scale
            assert mass == pytest.approx(wanted, rel=1e-5)
            assert inertia == pytest.approx(nominal.body_inertia, rel=2e-5)


def test_an_area_law_is_uniform_over_the_disc() -> None:
    suite = make_suite("disc", "ant", "ant-goal", {"train": [({"radius": "area:1:3"}, 400)]})
    radius = np.array([t.goal["radius"] for t in suite.tasks("train")])
    assert 1 <= radius.min() < radius.max() <= 3
    assert (radius < 2).mean() == pytest.approx(3 / 8, abs=0.06)
    with pytest.raises(SurefootError, match=r"'area:-1:3' for 'radius': a radius must not be below 0"):
        make_suite("disc", "ant", "ant-goal", {"train": [({"radius": "area:-1:3"}, 4)]})


@pytest.mark.parametrize("name", ["quadruped-damage", "hexapod-damage"])
def test_the_held_out_leg_is_never_damaged_in_training(name: str) -> None:
    damage = load_suite(name)
    for split in ("train", "validation"):
        assert not [t for t in damage.tasks(split) if "rear_right" in str(t)]
    assert all("rear_right" in str(t) for t in damage.tasks("test"))


def test_a_whole_leg_of_the_hexapod_dies_only_in_its_last_split() -> None:
    dead = {
        split: [str(t.parameters.get("dead_actuator", "")) for t in load_suite("hexapod-damage").tasks(split)]
        for split in ("train", "validation", "test", "moderate", "extreme", "structural")
    }
    legs = get_robot("hexapod").groups
    assert set(dead["structural"]) == {
        "front_left",
        "front_right",
        "middle_left",
        "middle_right",
        "rear_left",
        "rear_right",
    }
    assert set(dead["structural"]) <= legs.keys()
    assert not {motor for split, motors in dead.items() if split != "structural" for motor in motors} & legs.keys()


def test_one_servo_of_the_arm_is_weak_beyond_training() -> None:
    suite = load_suite("arm-payload")
    for split, most in (("train", 0), ("test", 0), ("moderate", 1), ("extreme", 1), ("structural", 0)):
        for task in suite.tasks(split):
            weak = [k for k, v in task.parameters.items() if k.startswith("motor_strength") and float(v) < 0.8]
            assert len(weak) == most, (split, task)


def test_the_same_arguments_give_the_same_bytes_everywhere() -> None:
    """The hash is written down here: a machine, or a change, that gives another one breaks everyone's suites."""
    assert small().text() == small().text()
    assert small().sha256 == "f246deb2d4c3027c55f06c9ccba56445b1df21258094dcaae32b792f797167da"
    assert small(seed=4).splits != small().splits


def test_values_follow_their_laws() -> None:
    suite = small(splits={"train": [(LAW, 300)]})
    settings = [task.parameters for task in suite.tasks("train")]
    payload = np.array([s["payload"] for s in settings], float)
    friction = np.array([s["friction"] for s in settings], float)
    assert 0 <= payload.min() < 0.1
    assert 2.9 < payload.max() <= 3
    assert payload.mean() == pytest.approx(1.5, abs=0.15)
    assert np.log(friction).mean() == pytest.approx(0, abs=0.1)
    assert np.log(friction).std() == pytest.approx(2 * math.log(2) / math.sqrt(12), rel=0.1)
    motors = np.array(
        [[s[f"motor_strength.front_left_{j}"] for j in ("hip", "thigh", "calf")] for s in settings], float
    )
    assert abs(np.corrcoef(motors.T) - np.eye(3)).max() < 0.2  # each motor by itself
    assert all(0.5 <= task.goal["vx"] <= 1 for task in suite.tasks("train"))
    assert all(float(f"{v:.6g}") == v for s in settings for v in s.values() if isinstance(v, float))


def test_more_tasks_leave_the_first_as_they_are() -> None:
    more = small(splits={"train": [(LAW, 9)], "test": [(LAW, 3)]})
    assert more.splits["train"][:6] == small().splits["train"]
    assert more.splits["test"] == small().splits["test"]


def test_choices_are_all_drawn_once() -> None:
    grid = {"mass": "0.75|0.85|1|1.15|1.25", "damping": "0.75|0.85|1|1.15|1.25"}
    suite = make_suite("grid", "half_cheetah", "run", {"train": [(grid, 25)]})
    pairs = {(t.parameters["mass"], t.parameters["damping"]) for t in suite.tasks("train")}
    assert len(pairs) == 25
    with pytest.raises(SurefootError, match="gives 25 tasks that are not in the suite yet: expected 26"):
        make_suite("grid", "half_cheetah", "run", {"train": [(grid, 26)]})


def test_splits_cannot_share_a_task_when_made() -> None:
    one = {"dead_actuator": "front_left"}
    three = {f"motor_strength.front_left_{joint}": "0" for joint in ("hip", "thigh", "calf")}
    with pytest.raises(SurefootError, match="gives 0 tasks"):
        small(splits={"train": [(one, 1)], "test": [(one, 1)]})
    assert (
        len(small(splits={"train": [(one, 1)], "test": [(three, 1)]}).splits) == 2
    )  # other settings of the same robot
    names = {f"dead_actuator.front_left_{joint}": "1" for joint in ("hip", "thigh", "calf")}
    with pytest.raises(SurefootError, match="gives 0 tasks"):  # the same settings by other names
        small(splits={"train": [(one, 1)], "test": [(names, 1)]})


@pytest.mark.parametrize(
    ("again", "said"),
    [
        ({"parameters": {"payload": 1.0}, "goal": {}}, "test task 0 is train task 1 again"),
        ({"parameters": {"payload": 1.0, "friction": 1.0}, "goal": {}}, "test task 0 is train task 1 again"),
        ({"parameters": {"payload": 300.0}, "goal": {}}, "expected 0 to 200 kg"),
        ({"parameters": {"payloat": 1.0}, "goal": {}}, "did you mean payload"),
        ({"parameters": {}, "goal": {"vz": 1.0}}, "unknown goal of task 'velocity' 'vz'"),
    ],
)
def test_a_suite_that_is_wrong_but_hashed_is_refused(again: dict[str, Any], said: str, tmp_path: Path) -> None:
    content = json.loads(small().text())
    rows = [{"parameters": {"payload": p}, "goal": {}} for p in (2.0, 1.0)]
    content["splits"] = {"train": rows, "test": [again]}
    content["laws"] = {k: content["laws"][k] for k in content["splits"]}
    suite = load_suite(written(tmp_path / "wrong.json", content))
    with pytest.raises(SurefootError, match=said):
        suite.check(table_of("quadruped"))
    with pytest.raises(SurefootError, match=said):
        BatchEnv("quadruped", "velocity", 2, suite=suite)
    with pytest.raises(SurefootError, match=said):
        verify(suite)


def test_a_changed_file_is_refused_and_says_both_hashes(tmp_path: Path) -> None:
    small().save(tmp_path / "small.json")
    content = json.loads((tmp_path / "small.json").read_text())
    content["splits"]["test"][0]["parameters"]["payload"] = 1.0
    (tmp_path / "small.json").write_text(json.dumps(content))
    found = content_hash({k: v for k, v in content.items() if k != "sha256"})
    with pytest.raises(SurefootError) as error:
        load_suite(tmp_path / "small.json")
    assert f"expected sha256 {small().sha256[:16]}… (the file says), found {found[:16]}…" in str(error.value)
    assert "\n" not in str(error.value)
    # The right hash, but not what laws and seed give.
    with pytest.raises(SurefootError, match="laws and seed 3 give other tasks in 'test'"):
        verify(load_suite(written(tmp_path / "again.json", content)))


def test_only_the_content_counts(tmp_path: Path) -> None:
    path = tmp_path / "small.json"
    small().save(path)
    assert load_suite(path) == small()
    path.write_bytes(json.dumps(json.loads(path.read_text()), indent=3).replace("\n", "\r\n").encode())
    assert load_suite(str(path)) == small()


def test_the_hash_that_a_run_remembers_counts(tmp_path: Path) -> None:
    small(seed=4).save(tmp_path / "small.json")
    with pytest.raises(SurefootError, match=f"expected sha256 {small().sha256[:16]}… .the run was trained on"):
        load_suite(tmp_path / "small.json", small().sha256)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a task suite"),
        ("[]", "not a task suite"),
        ('{"format": 1}', "expected JSON with a sha256"),
        ('{"sha256": "x", "seed": NaN}', "not a task suite"),
        ("[" * 100_000, "not a task suite"),
    ],
)
def test_what_is_no_suite_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(SurefootError, match=said):
        load_suite(path)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"seed": -1},
        {"colour": "red"},
        {"splits": {}},
        {"splits": {"tests": []}},
        {"laws": {}},
        {"splits": {"train": [{"parameters": {"payload": None}}]}},
    ],
)
def test_fields_are_checked(change: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path / "x.json", {**json.loads(small().text()), **change})
    with pytest.raises(SurefootError, match="is not a task suite") as error:
        load_suite(path)
    assert "\n" not in str(error.value)


def test_unknown_names() -> None:
    with pytest.raises(SurefootError, match="unknown suite 'quadruped-payloads': did you mean quadruped-payload"):
        load_suite("quadruped-payloads")
    with pytest.raises(SurefootError, match=r"no task suite at 'nowhere/suite\.json'"):
        load_suite("nowhere/suite.json")
    with pytest.raises(SurefootError, match="unknown split 'tests': did you mean test"):
        small(splits={"tests": [(LAW, 1)]})
    with pytest.raises(SurefootError, match="unknown split of suite 'small' 'moderate'"):
        small().tasks("moderate")
    with pytest.raises(SurefootError, match="laws and tasks for 'train'"):
        small(splits={"test": [(LAW, 1)]})
    with pytest.raises(SurefootError, match="expected 0, at least 1"):
        small(splits={"train": [(LAW, 0)]})
    with pytest.raises(SurefootError, match="takes a number, not 'fast'"):
        small(splits={"train": [({"vx": "fast|slow"}, 1)]})


def test_worlds_take_training_tasks_only() -> None:
    suite = load_suite("quadruped-payload")
    env = BatchEnv("quadruped", "velocity", 64, suite=suite, seed=0)
    assert env.training_tasks is not None
    allowed = {row.tobytes() for row in env.training_tasks.values}
    other = {row.tobytes() for split in suite.splits if split != "train" for row in suite.rows(split, env.table)[0]}
    seen = set()
    env.reset()
    rng = np.random.default_rng(0)
    for _ in range(80):
        seen |= {row.tobytes() for row in env.values}
        env.step(rng.uniform(-1, 1, (64, 12)))  # they fall, and take the next task
    assert seen <= allowed
    assert not seen & other
    assert len(seen) > 80  # of 128
    for split in ("test", "validation", "train"):
        with pytest.raises(SurefootError, match="take no other task"):
            env.set_tasks(suite.tasks(split)[0])


def test_each_task_is_as_likely_as_any_other() -> None:
    suite = load_suite("cheetah-cripple")
    env = BatchEnv("half_cheetah", "cheetah-cripple", 400, suite=suite, seed=1)
    env.reset()
    rows, counts = np.unique(env.values, axis=0, return_counts=True)
    assert len(rows) == 4
    assert counts.min() > 70  # 100 are expected, sigma 8.7


def test_goals_are_the_tasks_own() -> None:
    laws = [({"vx": "0.5:1", "payload": "1:2"}, 20), ({"yaw": "0.5", "payload": "3:4"}, 20)]
    suite = small(splits={"train": laws})
    env = BatchEnv("quadruped", "velocity", 32, suite=suite, seed=0)
    goals = {float(t.parameters["payload"]): t.goal for t in suite.tasks("train")}
    rng = np.random.default_rng(0)
    env.reset()
    for _ in range(100):
        payload = env.values[:, env.table.columns("payload")[0]]
        for load, command in zip(payload, env.task.command(), strict=True):
            goal = goals[float(load)]
            for i, name in enumerate(("vx", "vy", "yaw")):
                assert name not in goal or command[i] == np.float32(goal[name])
        env.step(rng.uniform(-1, 1, (32, 12)))
    assert len(np.unique(env.task.command()[:, 1])) > 2  # what no goal holds is drawn


def test_worlds_that_settle_keep_one_task_each() -> None:
    suite = load_suite("cheetah-vel")
    velocities = {task.goal["velocity"] for task in suite.tasks("train")}
    env = BatchEnv("half_cheetah", "cheetah-vel", 2 * len(velocities) + 1, suite=suite, seed=0)
    env.settle()
    goals = env.task.command()[:, 0].copy()
    found, counts = np.unique(goals, return_counts=True)
    assert set(found) == velocities
    assert sorted(counts) == [2] * (len(velocities) - 1) + [3]
    env.reset(seed=5)
    env.settle()  # a second time changes nothing
    env.lengths[:] = env.episode_steps - 1
    env.step(np.zeros((env.num_envs, 6)))
    assert len(env.ended) == env.num_envs
    assert np.array_equal(env.task.command()[:, 0], goals)
    with pytest.raises(SurefootError, match="train on a suite's split 'train' and take no other task"):
        env.set_tasks(Task(goal={"velocity": 1.0}))


def test_settled_worlds_of_a_variation() -> None:
    env = BatchEnv("half_cheetah", "run", 6, variation=Variation.parse({"mass": "0.8:1.2"}), seed=0)
    env.settle()
    values = env.values.copy()
    assert len(np.unique(values[:, env.table.columns("mass")[0]])) == 6
    env.reset()
    assert np.array_equal(env.values, values)


def test_a_suite_is_for_one_robot_and_one_task() -> None:
    suite = load_suite("cheetah-cripple")
    with pytest.raises(
        SurefootError, match="suite 'cheetah-cripple' is for half_cheetah cheetah-cripple, not for hopper run"
    ):
        BatchEnv("hopper", "run", 2, suite=suite)
    with pytest.raises(SurefootError, match="either a suite to train on, a variation or tasks"):
        BatchEnv("half_cheetah", "cheetah-cripple", 2, suite=suite, tasks=Task())


def test_delays_in_a_suite_are_declared() -> None:
    suite = make_suite("late", "half_cheetah", "run", {"train": [({"delay": "0.01:0.05"}, 4)]})
    env = BatchEnv("half_cheetah", "run", 8, suite=suite, seed=0)
    env.reset()
    assert 0 < env.values[:, env.table.columns("delay")].max() <= env.simulation.max_delay <= 0.05


ELSEWHERE: dict[str, Any] = {
    "robot": "half_cheetah",
    "task": "run",
    "splits": {"train": [({"mass": "0.8:1.2"}, 3)], "test": [({"mass": "0.8:1.2"}, 2)]},
    "robots": {"test": "hopper"},
}


def test_a_split_can_be_for_another_robot(tmp_path: Path) -> None:
    suite = make_suite("elsewhere", **ELSEWHERE)
    assert (suite.robot_of("train"), suite.robot_of("test")) == ("half_cheetah", "hopper")
    suite.save(tmp_path / "elsewhere.json")
    assert load_suite(tmp_path / "elsewhere.json") == suite
    verify(suite)
    suite.check_for("half_cheetah", "run")
    env = BatchEnv("half_cheetah", "run", 2, suite=suite)  # nothing of the other robot is needed to train
    assert env.training_tasks is not None
    with pytest.raises(SurefootError, match="is for half_cheetah run, not for hopper run"):
        BatchEnv("hopper", "run", 2, suite=suite)
    # Each split's values are checked on its own robot: the hopper has no bthigh.
    hopper = {**ELSEWHERE, "splits": {**ELSEWHERE["splits"], "test": [({"mass.bthigh": "0.8:1.2"}, 2)]}}
    with pytest.raises(SurefootError, match="unknown element of 'mass' on hopper 'bthigh'"):
        make_suite("elsewhere", **hopper)
    content = json.loads(suite.text())
    content["splits"]["test"][0]["parameters"]["mass"] = 99.0
    with pytest.raises(SurefootError, match="illegal value 99"):
        verify(load_suite(written(tmp_path / "wrong.json", content)))


@pytest.mark.parametrize("robots", [{"train": "hopper"}, {"extreme": "hopper"}])
def test_what_learns_learns_on_the_suites_robot(robots: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(SurefootError, match="expected a split that it has, and not 'train'"):
        make_suite("elsewhere", **{**ELSEWHERE, "robots": robots})
    with pytest.raises(SurefootError, match="unknown robot 'hoper': did you mean hopper"):
        make_suite("elsewhere", **{**ELSEWHERE, "robots": {"test": "hoper"}})
    content = {**json.loads(make_suite("elsewhere", **ELSEWHERE).text()), "robots": robots}
    with pytest.raises(SurefootError, match="is not a task suite: robots for splits other than"):
        load_suite(written(tmp_path / "wrong.json", content))


@pytest.mark.parametrize("redraw", [0.0, 0.3])
def test_worlds_that_learn_meet_the_goals_of_training_alone(redraw: float) -> None:
    """Over many resets, and where a goal changes in mid-episode: families whose tasks differ in nothing else."""
    suite = load_suite("cheetah-vel")
    env = BatchEnv("half_cheetah", "cheetah-vel", 8, suite=suite, seed=0, episode_steps=4, redraw=redraw)
    env.reset()
    met: set[float] = set()
    for _ in range(60):
        env.step(np.zeros((8, 6)))
        met |= set(env.task.command()[:, 0].tolist())
    known = {split: {t.goal["velocity"] for t in suite.tasks(split)} for split in suite.splits}
    assert len(met) > 50
    assert met <= known.pop("train")
    assert not met & set().union(*known.values())


def test_a_splits_own_law_counts_instead_of_all_that_it_says_anew() -> None:
    """One strength for all motors in place of one each, and the other way round."""
    vary = {"motor_strength.*": "0.9:1.1", "payload": "0:3"}
    counts = {"train": 2, "validation": 0, "test": 0, "extreme": 2, "moderate": 2}
    suite = api.make_suite(
        "own", "quadruped", "velocity", vary=vary, counts=counts,
        beyond={"extreme": {"motor_strength": "0.3:0.5"}, "moderate": {"motor_strength.rear": "0.5:0.6"}},
    )  # fmt: skip
    weak, rear = suite.tasks("extreme")[0].parameters, suite.tasks("moderate")[0].parameters
    assert set(weak) == {"motor_strength", "payload"}
    assert {"motor_strength.rear", "motor_strength.front_left_calf"} <= set(rear)
    assert not any(key.startswith("motor_strength.rear_") for key in rear)
    own = api.make_suite(
        "own", "quadruped", "velocity", vary=vary, counts={"train": 2}, beyond={"extreme": {"payload": "3:6"}}
    )
    assert list(own.laws["extreme"][0].vary) == list(vary)  # the order of the draws stays
