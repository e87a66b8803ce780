"""A spec from a URDF file: MuJoCo reads the links, joints and limits; a free joint and what it needs of names come from here.

URDF has no motors, no floor and no home pose: `derived` adds them as to any other robot.
"""

import copy
from collections.abc import Mapping
from xml.etree import ElementTree

import mujoco

from .errors import SurefootError
from .source import Source, is_left_out, urdf_file

MOVING = ("revolute", "continuous", "prismatic")
WORLD = "surefoot_world"  # the link that a floating robot hangs on: MuJoCo takes a URDF's first link for the world


def urdf_spec(source: Source, fixed: bool | None = None) -> mujoco.MjSpec:
    """A fresh spec of the robot; it floats unless it is an arm (`is_arm`) or `fixed` says otherwise.

    Links of fixed joints are one body with their parent, and its geoms are named after their links. Raises `SurefootError`
    for a URDF that is not a tree of links.
    """
    root = copy.deepcopy(source.root)
    top = _top_link(source, root)
    for element in list(root):
        if element.tag not in ("link", "joint", "material"):
            root.remove(element)  # transmissions, Gazebo's and other programs' own
    for link in root.iter("link"):
        _name_geoms(link)
    for link in root.iter("link"):
        for shape in [*link.findall("visual"), *link.findall("collision")]:
            mesh = shape.find("geometry/mesh")
            if mesh is not None and is_left_out(mesh.get("filename", "")):
                link.remove(shape)
    assets: dict[str, bytes] = {}
    for mesh in root.iter("mesh"):
        file = urdf_file(source.path, mesh.get("filename", ""))
        key = f"{len(assets)}_{file.name}"  # MuJoCo drops the folders, and two of them may hold a file of one name
        assets[key] = file.read_bytes()
        mesh.set("filename", key)
    if not (is_arm(root) if fixed is None else fixed):
        ElementTree.SubElement(root, "link", name=WORLD)
        joint = ElementTree.SubElement(root, "joint", name="root", type="floating")
        ElementTree.SubElement(joint, "parent", link=WORLD)
        ElementTree.SubElement(joint, "child", link=top)
    settings = ElementTree.SubElement(root, "mujoco")
    ElementTree.SubElement(settings, "compiler", fusestatic="true", discardvisual="false", strippath="true")
    text = ElementTree.tostring(root, encoding="unicode")
    try:
        return mujoco.MjSpec.from_string(text, assets=assets)
    except ValueError as error:
        raise SurefootError(f"{str(source.path)!r}: {' '.join(str(error).split())}") from error


def _name_geoms(link: ElementTree.Element) -> None:
    """Collision shapes are named after their link, so that feet can be told by it; visual ones `LINK_visual`."""
    name = link.get("name", "")
    for kind in ("collision", "visual"):
        for i, shape in enumerate(link.findall(kind)):
            suffix = ("" if kind == "collision" else "_visual") + (f"_{i}" if i else "")
            shape.set("name", name + suffix)


def _top_link(source: Source, root: ElementTree.Element) -> str:
    links = [link.get("name", "") for link in root.findall("link")]
    children = [child.get("link", "") for child in root.findall("joint/child")]
    for name in children + [parent.get("link", "") for parent in root.findall("joint/parent")]:
        if name not in links:
            raise SurefootError(f"{str(source.path)!r}: a joint names the link {name!r}, which does not exist")
    tops = [name for name in links if name not in children]
    if len(tops) != 1:
        raise SurefootError(
            f"{str(source.path)!r}: expected one link that is no joint's child, found {', '.join(tops) or 'none'}"
        )
    return tops[0]


def is_arm(root: ElementTree.Element) -> bool:
    """Whether the moving parts hang on the first link by a single joint: an arm on its foot, not a body with legs."""
    children: dict[str, list[tuple[str, bool]]] = {}
    for joint in root.findall("joint"):
        parent, child = joint.find("parent"), joint.find("child")
        if parent is not None and child is not None:
            moves = joint.get("type") in MOVING
            children.setdefault(parent.get("link", ""), []).append((child.get("link", ""), moves))
    inner = {child for found in children.values() for child, _ in found}
    rigid, branches = [link for link in children if link not in inner], 0
    while rigid:
        for name, moves in children.get(rigid.pop(), []):
            branches += moves
            if not moves:
                rigid.append(name)
    return branches <= 1


def limits(source: Source) -> Mapping[str, float]:
    """{joint: velocity limit, rad/s (m/s where it slides)}, of those that have one."""
    found = {}
    for joint in source.root.findall("joint"):
        limit = joint.find("limit")
        if joint.get("type") in MOVING and limit is not None:
            try:
                velocity = float(limit.get("velocity", "0"))
            except ValueError as error:
                raise SurefootError(
                    f"{str(source.path)!r}: joint {joint.get('name')!r} has velocity={limit.get('velocity')!r}: "
                    "expected a number"
                ) from error
            if velocity > 0:
                found[joint.get("name", "")] = velocity
    return found


def motors(source: Source) -> list[str]:
    """The joints that a motor can drive: all that move and mimic no other."""
    joints = source.root.findall("joint")
    return [j.get("name", "") for j in joints if j.get("type") in MOVING and j.find("mimic") is None]
