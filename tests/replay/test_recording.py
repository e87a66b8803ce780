"""Recordings come back bit for bit, and whatever is not a recording is refused in one line."""

import dataclasses
import errno
import io
import json
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.replay import Recording, RecordingFile, RecordingWarning, load_many, pack_model, read_world, save_worlds
from surefoot.replay.chunks import ChunkWriter
from surefoot.replay.model import unpack_model
from surefoot.robots import SurefootError, get_robot

NAME = "x.recording.npz"


def assert_same(a: Recording, b: Recording) -> None:
    for field in dataclasses.fields(Recording):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if isinstance(left, np.ndarray):
            assert (left.dtype, left.tobytes()) == (right.dtype, right.tobytes()), field.name
        elif field.name == "terms":
            assert {k: v.tobytes() for k, v in left.items()} == {k: v.tobytes() for k, v in right.items()}
        else:
            assert left == right, field.name


def opened_or_said(path: Path) -> tuple[str, Recording | None]:
    try:
        return "", Recording.load(path)
    except SurefootError as error:
        return str(error), None


def one_line(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_round_trip_is_bit_equal(before, tmp_path):
    path = tmp_path / "deep" / NAME
    before.save(path)
    assert_same(before, Recording.load(path))
    assert [p.name for p in path.parent.iterdir()] == [NAME]  # no temporary file stays


@settings(max_examples=25, deadline=None)
@given(
    steps=st.integers(1, 5),
    sizes=st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 3), st.integers(0, 4), st.integers(0, 4)),
    text=st.text(max_size=12),
    term_names=st.lists(st.text(max_size=6), max_size=3, unique=True),
    seed=st.integers(0, 99),
)
def test_round_trip_of_any_shape(tmp_path_factory, steps, sizes, text, term_names, seed):
    nq, nv, nu, c, f = sizes
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.normal(size=(steps, *shape)).astype(np.float32)  # noqa: E731
    recording = Recording(
        robot=text, task=text, label=text, dt=0.02, model=b"any bytes", base=text,
        qpos=draw(nq), qvel=draw(nv), action=draw(nu), force=draw(nu), reward=draw(), done=rng.integers(0, 3, steps),
        command=draw(c), actual=draw(c), command_names=tuple(f"c{i}" for i in range(c)),
        contact=draw(f) > 0, foot_names=tuple(f"f{i}" for i in range(f)),
        terms={name: draw() for name in term_names}, parameters={text: 1.5},
    )  # fmt: skip
    path = tmp_path_factory.mktemp("shapes") / NAME
    recording.save(path)
    assert_same(recording, Recording.load(path))


def test_truncated_anywhere_opens_to_its_last_whole_chunk_or_is_refused(before, tmp_path):
    path = tmp_path / NAME
    rows = np.arange(600) % len(before)  # two whole chunks and a part of one
    long = dataclasses.replace(
        before,
        **{n: getattr(before, n)[rows] for n in ("qpos", "qvel", "action", "reward", "force", "done", "command")},
        **{n: getattr(before, n)[rows] for n in ("actual", "contact")},
        terms={n: v[rows] for n, v in before.terms.items()},
        **dict.fromkeys(("hidden", "sensor", "latent", "inferred", "inferred_std"), np.zeros((0, 0))),
    )
    long.save(path)
    whole = path.read_bytes()
    assert RecordingFile(path).starts == [0, 256, 512]
    lengths = []
    for tenth in (*range(10), 9.99):
        path.write_bytes(whole[: int(len(whole) * tenth / 10)])
        with warnings.catch_warnings(record=True) as warned:
            said, opened = opened_or_said(path)
        if opened is None:
            assert str(path) in said
            assert "expected" in said
            assert "\n" not in said
            lengths.append(0)
            continue
        assert [w.category for w in warned] == [RecordingWarning]
        assert "breaks off" in str(warned[0].message)
        assert "\n" not in str(warned[0].message)
        assert_same(opened, long.rows(np.arange(600) < len(opened)))
        lengths.append(len(opened))
    assert lengths == sorted(lengths)
    assert set(lengths) == {0, 256, 512, 600}  # the last one lacks the zip's directory alone


def test_zeros_where_the_disk_was_full_are_no_chunk(before, tmp_path):
    path = tmp_path / NAME
    before.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) // 2))
    with pytest.raises(SurefootError, match="breaks off before its first whole chunk"):
        Recording.load(path)


def test_flipped_bytes_are_refused_or_harmless(before, tmp_path):
    path = tmp_path / NAME
    before.save(path)
    whole = bytearray(path.read_bytes())
    for at in np.linspace(0, len(whole) - 1, 60).astype(int):
        damaged = whole.copy()
        damaged[at] ^= 0x5A
        path.write_bytes(damaged)
        # A byte that does not matter, e.g. of a date inside the zip, is no damage; without its directory the rest is read.
        with (
            suppress(SurefootError),
            warnings.catch_warnings(action="ignore", category=RecordingWarning),
        ):
            assert_same(before, Recording.load(path))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"PK\x03\x04" + b"\0" * 60,
        b"\x93NUMPY\x01\x00",
        b"\x80\x04N.",
        b"\x89HDF\r\n\x1a\n" + bytes(2048),
    ],
    ids=lambda content: repr(content[:8]),
)
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / NAME
    path.write_bytes(content)
    with pytest.raises(SurefootError) as error:
        Recording.load(path)
    assert NAME in one_line(error)


def test_bare_arrays_and_other_npz_are_refused(tmp_path):
    path = tmp_path / NAME
    for write in (
        lambda f: np.save(f, np.arange(3)),
        lambda f: np.savez(f, a=1),
        lambda f: np.savez(f, header=np.array("[]")),
        lambda f: np.savez(f, header=np.array('{"format": "surefoot-recording", "version": 1}')),
    ):
        with open(path, "wb") as file:
            write(file)
        with pytest.raises(SurefootError) as error:
            Recording.load(path)
        assert NAME in one_line(error)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"version": 99}, "version 99"),
        ({"format": "cooking"}, "another kind"),
        ({"term_names": ["one"]}, "damaged"),
        ({"worlds": 0}, "damaged"),
        ({"floats": {}}, "damaged"),
        ({"dt": 1e-300}, "damaged"),
        ({"label": "half a \ud800 character"}, "damaged"),
        ({"controller": {"config": 5}}, "damaged"),
        ({"controller": {"timesteps": "many"}}, "damaged"),
        ({"options": json.loads("[" * 900 + "]" * 900)}, "damaged"),
    ],
)
def test_other_headers_are_refused(before, tmp_path, change, word):
    path = tmp_path / NAME
    before.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes()) | change
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(SurefootError, match=word) as error:
        Recording.load(path)
    assert NAME in one_line(error)


@pytest.mark.parametrize(
    ("member", "content"),
    [
        ("header", np.frombuffer(b"[" * 100_000, np.uint8)),
        ("000000000/done", np.zeros((), np.uint8)),
        ("000000000/qpos.low", np.zeros((), np.uint8)),
        ("000000000/qpos.high", np.array(["text"])),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_arrays_of_another_kind_are_refused(before, tmp_path, member, content):
    path = tmp_path / NAME
    before.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **arrays | {member: content})
    with pytest.raises(SurefootError, match="damaged") as error:
        Recording.load(path)
    assert NAME in one_line(error)


def test_not_a_number_is_refused(before, tmp_path, spoil):
    qpos = before.qpos.copy()
    qpos[7, 3] = np.nan
    with pytest.raises(SurefootError, match="qpos is not finite at step 7"):
        dataclasses.replace(before, qpos=qpos)
    path = tmp_path / NAME
    before.save(path)
    spoil(path, "qpos", 7, 3)
    with pytest.raises(SurefootError, match="qpos is not finite") as error:
        Recording.load(path)
    assert NAME in one_line(error)


@pytest.mark.parametrize("name", ["qpos", "qvel", "action", "reward", "force", "done", "command", "actual", "contact"])
def test_wrong_shapes_are_refused(before, name):
    with pytest.raises(SurefootError, match=r"shape .* expected"):
        dataclasses.replace(before, **{name: np.zeros((3, 2, 1))})
    if name != "reward":
        with pytest.raises(SurefootError, match=name):
            dataclasses.replace(before, **{name: getattr(before, name)[:-1]})


def test_states_that_do_not_fit_the_model_are_refused(before):
    with pytest.raises(SurefootError, match="nq, nv, nu"):
        dataclasses.replace(before, qpos=before.qpos[:, :-1]).compile()
    with pytest.raises(SurefootError, match="no body 'tail'"):
        dataclasses.replace(before, base="tail").compile()
    with pytest.raises(SurefootError, match="cannot be read"):
        dataclasses.replace(before, model=b"no zip").compile()


def test_full_disk_leaves_nothing(before, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ChunkWriter, "_write", full)
    with pytest.raises(SurefootError, match="No space left") as error:
        before.save(tmp_path / NAME)
    assert NAME in one_line(error)
    assert not list(tmp_path.iterdir())


def test_save_refuses_other_names(before, tmp_path):
    with pytest.raises(SurefootError, match=r"\.recording\.npz"):
        before.save(tmp_path / "walk.npz")


def test_worlds_of_any_length_are_one_file(before, after, tmp_path):
    path = tmp_path / NAME
    changed = dataclasses.replace(after, parameters={"payload": 1.0}, changes=[(7, {}), (9, {"friction": 0.5})])
    save_worlds(path, [before, changed])
    file = RecordingFile(path)
    assert (file.header.worlds, file.steps) == (2, 60)
    one, other = (read_world(file, world) for world in range(2))
    assert_same(one, dataclasses.replace(before, label="before 0"))
    assert_same(other, dataclasses.replace(changed, label="before 1"))
    part = read_world(file, 1, 8, 20)
    assert np.array_equal(part.qpos, after.qpos[8:20])
    assert (part.parameters, part.changes) == ({}, ((1, {"friction": 0.5}),))
    assert [int(rows.sum()) for rows in other.spans()] == [7, 2, 36]
    with pytest.raises(SurefootError, match="world 2"):
        read_world(file, 2)
    with pytest.raises(SurefootError, match="2 worlds: expected one"):
        Recording.load(path)
    assert [r.label for r in load_many(path)] == ["before 0", "before 1"]


def test_load_many(before, after, tmp_path):
    with pytest.raises(SurefootError, match="no recording in folder"):
        load_many(tmp_path)
    with pytest.raises(SurefootError, match="no recording at"):
        load_many(tmp_path / "missing.recording.npz")
    after.save(tmp_path / "a.recording.npz")
    before.save(tmp_path / "b.recording.npz")
    assert [r.label for r in load_many(tmp_path)] == ["before", "after"]
    assert [r.label for r in load_many(tmp_path / "a.recording.npz")] == ["after"]


def test_a_part_is_read_and_no_more(before, tmp_path, monkeypatch):
    """Of a long file only the chunks of the part that is shown are touched, and five minutes where nobody says."""
    monkeypatch.setattr("surefoot.replay.chunks.CHUNK_STEPS", 10)
    path = tmp_path / "x.recording.npz"
    before.save(path)
    assert len(RecordingFile(path).starts) == 6
    read = []
    chunk = RecordingFile.chunk
    monkeypatch.setattr(
        RecordingFile, "chunk", lambda self, i, *rest, **more: read.append(i) or chunk(self, i, *rest, **more)
    )
    (part,) = load_many(path, start=1.0, seconds=0.75)
    assert read == [2, 3]
    np.testing.assert_array_equal(part.qpos, before.qpos[20:35])
    assert part.notes == ("seconds 1 to 1.75 of 3",)
    monkeypatch.setattr("surefoot.replay.recording.SHOWN_SECONDS", 0.5)
    with pytest.warns(RecordingWarning, match=r"0\.5 s of 3 s are shown: --start and --seconds"):
        (part,) = load_many(path)
    assert len(part) == 10
    with pytest.raises(SurefootError, match=r"start 3 s.*ends at 3 s"):
        load_many(path, start=3.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e9])
def test_divergence_is_the_end_of_what_is_shown(before, tmp_path, value):
    path = tmp_path / "x.recording.npz"
    before.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    bytes_ = np.frombuffer(np.float32(value).tobytes(), np.uint8)
    for part, of_value in (("low", bytes_[:3]), ("high", bytes_[3:])):
        arrays[f"000000000/qvel.{part}"][:, 0, 4, 12] = of_value
    np.savez(path, **arrays)
    with pytest.warns(RecordingWarning, match=r"'before' diverged at 0\.60 s, where qvel is not a number that"):
        (cut,) = load_many(path)
    assert (len(cut), cut.diverged) == (12, pytest.approx(0.6))
    assert "diverged at 0.60 s" in cut.notes[0]
    cut.save(tmp_path / "again.recording.npz")
    np.testing.assert_array_equal(load_many(tmp_path / "again.recording.npz")[0].qvel, before.qvel[:12])


def test_divergence_at_once_leaves_nothing_to_show(before, tmp_path, spoil):
    path = tmp_path / "x.recording.npz"
    before.save(path)
    spoil(path, "qpos", 0, 2)
    with pytest.raises(SurefootError, match=r"diverged at 0\.00 s.*nothing before it to show"):
        load_many(path)


@pytest.mark.parametrize(("lost", "word"), [("model", "has no model"), ("mesh", "no part of the recording: refused")])
def test_a_model_that_is_not_whole_is_one_line(tmp_path, before, lost, word):
    """Without its model, or with a model that lacks a mesh."""
    path = tmp_path / "x.recording.npz"
    before.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    if lost == "model":
        del arrays["model"]
    else:
        spec = before.spec()
        spec.assets = {"a.obj": "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"}
        spec.add_mesh(name="a", file="a.obj")
        packed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(pack_model(spec))) as whole, zipfile.ZipFile(packed, "w") as part:
            for name in whole.namelist():
                if not name.endswith(".obj"):
                    part.writestr(name, whole.read(name))
        arrays["model"] = np.frombuffer(packed.getvalue(), np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(SurefootError, match=word) as error:
        load_many(path)[0].compile()
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["ant", "quadruped", pytest.param("go1", marks=pytest.mark.menagerie)])
def test_packed_model_is_the_model_and_needs_no_file(name):
    spec = get_robot(name).make_spec()
    packed = pack_model(spec)
    for folder in (spec.modelfiledir, "/site-packages/", "/home/"):
        assert not folder or folder.encode() not in packed
    model, again = spec.compile(), unpack_model(packed).compile()
    for field in ("nq", "nv", "nu", "nmeshvert"):
        assert getattr(model, field) == getattr(again, field)
    np.testing.assert_allclose(again.body_mass, model.body_mass, rtol=1e-5)
    first, second = mujoco.MjData(model), mujoco.MjData(again)
    mujoco.mj_kinematics(model, first)
    mujoco.mj_kinematics(again, second)
    np.testing.assert_allclose(second.geom_xpos, first.geom_xpos, atol=1e-5)


@pytest.mark.parametrize(
    ("inside", "word"),
    [
        ('<include file="{}"/>', "no part of the recording: refused"),
        ('<asset><mesh file="{}"/></asset>', "no part of the recording: refused"),
        ('<asset><texture name="t" type="cube" fileright="{}"/></asset>', "no part of the recording: refused"),
        ('<compiler meshdir="/etc"/>', "'/etc', which is no part of the recording: refused"),
        ("<!ENTITY e SYSTEM 'file:///etc/passwd'>", "ENTITY declaration"),
        ('<Include file="{}"/>', "has an element <Include>"),
        ('<include xmlns="x" file="{}"/>', "has an element"),
        ('<asset><model name="m" file="{}"/></asset>', "no part of the recording: refused"),
        ('<worldbody><flexcomp name="f" type="mesh" file="{}"/></worldbody>', "no part of the recording: refused"),
        ("<nope/>", "nope"),
    ],
)
def test_a_model_reaches_no_file_outside_its_recording(tmp_path, before, inside, word):
    """Recordings come from others; what they name there is not opened, even where it exists."""
    bait = tmp_path / "bait"
    bait.write_text("<mujoco><worldbody><body/></worldbody></mujoco>")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as whole:
        whole.writestr("robot.xml", f"<mujoco>{inside.format(bait)}</mujoco>")
        for name in (str(bait), "/etc"):  # what is read while MuJoCo parses comes from the disk, though the zip has it
            whole.writestr(name, "")
    with pytest.raises(SurefootError, match=word) as error:
        dataclasses.replace(before, model=packed.getvalue()).compile()
    assert len(str(error.value).splitlines()) == 1


def test_missing_mesh_is_named(tmp_path):
    spec = mujoco.MjSpec.from_string(
        '<mujoco><asset><mesh name="m" file="gone.stl"/></asset><worldbody><geom type="mesh" mesh="m"/></worldbody></mujoco>'
    )
    with pytest.raises(SurefootError, match=r"gone\.stl"):
        pack_model(spec)
