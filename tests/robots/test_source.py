"""Foreign model files: refused in one line before MuJoCo sees them, or told what is wrong with them."""

import os
from pathlib import Path
from types import ModuleType

import mujoco
import pytest

from surefoot.robots import SurefootError, get_robot
from surefoot.robots.source import read_source

BODY = '<body name="b"><freejoint/><geom name="g" size="0.1"/>{}</body>'
MOTOR = '<actuator><motor name="m" joint="j"/></actuator>'
LEG = '<body name="leg"><joint name="j"/><geom name="shin" size="0.1"/></body>'


def said(path: Path) -> str:
    with pytest.raises(SurefootError) as caught:
        get_robot(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """MuJoCo is not asked."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("MuJoCo was given the file")

    monkeypatch.setattr(mujoco.MjSpec, "from_file", staticmethod(never))
    monkeypatch.setattr(mujoco.MjSpec, "from_string", staticmethod(never))


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


LAUGHS = '<?xml version="1.0"?>\n<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>\n<mujoco model="&b;"/>'


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LAUGHS, "has a DOCTYPE declaration, which a robot does not need: refused"),
        (LAUGHS.replace("DOCTYPE", "doctype"), "has a DOCTYPE declaration"),
        (LAUGHS.encode("utf-16"), "is not UTF-8 text"),
        ("<mujoco><worldbody>", "is not well-formed XML"),
        ('<?xml version="1.0" encoding="nonsense"?><mujoco/>', "is not UTF-8 text"),
        ("", "is not well-formed XML"),
        ("<sdf/>", "is neither MJCF nor URDF: its outermost element is <sdf>"),
        ('<mujoco><Include file="other.xml"/></mujoco>', "has an element <Include>"),
        ('<?xml version="1.0" encoding="latin-1"?><mujoco/>', "is not UTF-8 text"),
        ("\ufeff<?xml version='1.0' encoding = 'latin-1'?><mujoco/>", "is not UTF-8 text"),
        ('<mujoco><worldbody><body name="nan" pos="0 NaN 1"/></worldbody></mujoco>', "pos='0 NaN 1' of a <body> is not a"),
        ('<robot name="r"><link name="a"><inertial><mass value="nan"/></inertial></link></robot>', "value='nan' of a <mass>"),
        ('<mujoco><include file="/etc/passwd"/></mujoco>', "'/etc/passwd', which is an absolute path"),
        ('<mujoco><include file="../up.xml"/></mujoco>', "'../up.xml', which is outside the model's folder"),
        ('<mujoco><include file="none.xml"/></mujoco>', "'none.xml', which is missing: looked for"),
        ('<mujoco><include file="robot.xml"/></mujoco>', ""),
        ('<mujoco><asset><mesh file="leg.stl"/></asset></mujoco>', "'leg.stl', which is missing"),
        ('<mujoco><compiler meshdir="a"/><asset><mesh file="leg.stl"/></asset></mujoco>', "a/leg.stl'"),
        ('<mujoco><compiler meshdir="/usr"/></mujoco>', "meshdir='/usr' is an absolute path"),
        ('<mujoco><compiler assetdir=".."/><asset><mesh file="up.stl"/></asset></mujoco>', "outside the model's folder"),
        ('<mujoco><asset><texture fileright="C:\\\\secret.png"/></asset></mujoco>', "an absolute path"),
        ('<mujoco><asset><hfield file="../up.png"/></asset></mujoco>', "outside the model's folder"),
        ('<mujoco><asset><model file="../up.xml"/></asset></mujoco>', "outside the model's folder"),
        ('<robot name="r"><link name="a"><visual><geometry><mesh filename="package://p/a.stl"/></geometry></visual></link>'
         "</robot>", "'a.stl', which is missing"),
        ('<robot name="r"><link name="a"><visual><geometry><mesh filename="file:///etc/a.stl"/></geometry></visual></link>'
         "</robot>", "an absolute path"),
        ('<robot xmlns:xacro="http://ros.org/wiki/xacro"><xacro:include filename="a.xacro"/></robot>', "xacro"),
    ],
)  # fmt: skip
def test_refused_before_it_is_loaded(text: str | bytes, expected: str, tmp_path: Path) -> None:
    for name in ("up.xml", "up.stl", "up.png"):
        write(tmp_path / name, "<mujocoinclude/>")
    file = write(tmp_path / "folder" / "robot.xml", text)
    if expected:
        assert expected in said(file)
    else:  # a file that includes itself is read once, and MuJoCo's business
        assert read_source(file).files == (file,)


@pytest.mark.usefixtures("unloaded")
def test_laughs_in_an_include_and_a_link_out_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "robot" / "part.xml", LAUGHS.replace("mujoco", "mujocoinclude"))
    file = write(tmp_path / "robot" / "robot.xml", '<mujoco><include file="part.xml"/></mujoco>')
    assert "part.xml' has a DOCTYPE declaration" in said(file)
    write(tmp_path / "robot" / "part.xml", '<mujocoinclude><geom size="nan"/></mujocoinclude>')
    assert "part.xml': size='nan' of a <geom> is not a number" in said(file)
    write(tmp_path / "secret.stl", "x")
    os.symlink(tmp_path / "secret.stl", tmp_path / "robot" / "leg.stl")
    write(file, '<mujoco><asset><mesh file="leg.stl"/></asset></mujoco>')
    assert "outside the model's folder" in said(file)


def test_a_missing_file_names_its_neighbours(own_robots: ModuleType, tmp_path: Path) -> None:
    own_robots.mjcf_dog(tmp_path)
    assert "did you mean dog.xml?" in said(tmp_path / "dg.xml")


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ('<inertial pos="0 0 0" mass="1" diaginertia="1 0.1 0.1"/>', "body 'b' has the principal inertia 1, 0.1, 0.1"),
        ('<inertial pos="0 0 0" mass="1" fullinertia="1 0.1 0.1 0 0 0"/>', "which no solid has"),
        (
            '<inertial pos="0 0 0" mass="-2" diaginertia="1 1 1"/>',
            "body 'b' has mass -2 kg: expected finite numbers of 0 or more",
        ),
        ('<inertial pos="0 0 0" mass="inf" diaginertia="1 1 1"/>', "body 'b' has mass inf kg"),
        ('<inertial pos="0 0 0" mass="1" diaginertia="1 -1 1"/>', "principal inertia 1, -1, 1"),
        ('<geom name="h" size="0.1" mass="-1"/>', "negative"),
        ('<geom name="h" size="0.1" mass="1e20"/>', "body 'b' has mass 1e+20 kg"),
        ('<geom name="h" size="0.1" density="1e300"/>', "expected at most 1e+12"),
        ('<inertial pos="0 0 0" mass="1" fullinertia="inf 1 1 0 0 0"/>', "'b'"),
        ('<geom name="h" size="0"/>', "size 0 must be positive in geom"),
        ('<geom name="h" type="capsule" size="0.1" fromto="0 0 0 0 0 0"/>', "fromto points too close"),
    ],
)
def test_impossible_bodies(inside: str, expected: str, tmp_path: Path) -> None:
    text = f"<mujoco><worldbody>{BODY.format(inside + LEG)}</worldbody>{MOTOR}</mujoco>"
    told = said(write(tmp_path / "robot.xml", text))
    assert expected in told
    assert "'b'" in told or "'h'" in told


def test_a_model_without_actuators(tmp_path: Path) -> None:
    text = f"<mujoco><worldbody>{BODY.format(LEG)}</worldbody></mujoco>"
    assert "the model has no actuators" in said(write(tmp_path / "robot.xml", text))
    text = text.replace(
        "</worldbody>", '</worldbody><actuator><muscle name="m" joint="j" lengthrange="0 1"/></actuator>'
    )
    assert "actuator 'm' is neither a motor nor a servo" in said(write(tmp_path / "muscle.xml", text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("feets: [a]", "unknown key in"),
        ("feets: [a]", "did you mean feet"),
        ("control_dt: fast", "control_dt='fast'"),
        ("kp: -3", "kp"),
        ("kp: .nan", "kp"),
        ("kp: {left_kne: 3}", "did you mean left_knee"),
        ("home: {'*_kne': 1}", "joint in 'home'"),
        ("base: torsoo", "did you mean torso?"),
        ("feet: [left_sol]", "did you mean left_sole"),
        ("feet: [torso]", "the foot 'torso' is a part of the base"),
        ("feet: [left_sole, right_shin]", ""),
        ("keyframe: stnd", "did you mean stand?"),
        ("control_dt: 0", "control_dt=0"),
        ("- 3", "expected a mapping"),
        ("a: [", "is not YAML"),
        ("base: 2020-99-99", "is not YAML"),
        ("base: !!int x", "is not YAML"),
        (f"control_dt: {'9' * 5000}", "is not YAML"),
        ("control_dt: 0.0000001", "control_dt=1e-07"),
        ("base: &x torso\nkeyframe: *x", "uses YAML aliases"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_the_yaml_beside_it(text: str, expected: str, own_robots: ModuleType, tmp_path: Path) -> None:
    file = own_robots.mjcf_biped(tmp_path)
    write(file.with_suffix(".yaml"), text)
    if expected:
        assert expected in said(file)
    else:
        assert len(get_robot(str(file)).feet) == 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('<child link="trunk"/>', '<child link="trnk"/>'), "names the link 'trnk'"),
        (('<link name="base"/>', '<link name="base"/><link name="lonely"/>'), "base, lonely"),
        (('mass value="5"', 'mass value="-5"'), "mass -5 kg"),
        (('velocity="21"', 'velocity="fast"'), "velocity='fast': expected a number"),
        (('radius="0.022"', 'radius="0"'), "size 0 must be positive"),
        (('length="0.2"', 'length="0"'), "size 1 must be positive"),
    ],
)
def test_urdf(change: tuple[str, str], expected: str, own_robots: ModuleType, tmp_path: Path) -> None:
    file = own_robots.urdf_dog(tmp_path)
    text = file.read_text()
    assert change[0] in text
    assert expected in said(write(file, text.replace(*change)))


@pytest.mark.parametrize("make", ["mjcf_dog", "urdf_dog", "mjcf_biped"])
def test_the_digest_is_of_everything(make: str, own_robots: ModuleType, tmp_path: Path) -> None:
    file = getattr(own_robots, make)(tmp_path)
    source = read_source(file)
    assert read_source(file).digest == source.digest
    assert {f.name for f in source.files} == {f.name for f in tmp_path.rglob("*") if f.is_file()}
    for part in source.files:
        before = part.read_bytes()
        part.write_bytes(before + b"\n")
        assert read_source(file).digest != source.digest
        part.write_bytes(before)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("menagerie:g1", "did you mean menagerie:unitree_g1?"),
        ("menagerie:unitree_gg1", "unitree_g1"),
        ("menagerie:../secret", "expected menagerie:NAME"),
        ("menagerie:", "expected menagerie:NAME"),
    ],
)
@pytest.mark.menagerie
def test_menagerie_names(name: str, expected: str) -> None:
    with pytest.raises(SurefootError) as caught:
        get_robot(name)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
