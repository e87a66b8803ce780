"""Model files that the tests write themselves: a dog and a hexapod in MJCF, a dog in URDF, a biped in MJCF."""

from itertools import product
from pathlib import Path


def mjcf_dog(folder: Path) -> Path:
    """Torque motors, no floor, no keyframe, no names but of joints; knees that only fold, so that zero is illegal."""
    legs = ""
    for fore, side in product((1, -1), (1, -1)):
        name = f"{'F' if fore > 0 else 'H'}{'L' if side > 0 else 'R'}"
        legs += f"""
      <body pos="{0.2 * fore} {0.06 * side} 0">
        <joint name="{name}_hip" axis="1 0 0" range="-0.8 0.8"/>
        <geom type="sphere" size="0.04" mass="0.6"/>
        <body pos="0 {0.07 * side} 0">
          <joint name="{name}_thigh" axis="0 1 0" range="-0.7 3.5"/>
          <geom type="capsule" fromto="0 0 0 0 0 -0.2" size="0.02" mass="0.9"/>
          <body pos="0 0 -0.2">
            <joint name="{name}_calf" axis="0 1 0" range="-2.7 -0.8"/>
            <geom type="capsule" fromto="0 0 0 0 0 -0.2" size="0.012" mass="0.2"/>
            <geom type="sphere" pos="0 0 -0.2" size="0.025" mass="0.05"/>
          </body>
        </body>
      </body>"""
    motors = "".join(
        f'<motor joint="{n}_{j}" ctrlrange="-1 1" gear="{g}"/>'
        for n in ("FL", "FR", "HL", "HR")
        for j, g in (("hip", 20), ("thigh", 20), ("calf", 30))
    )
    file = folder / "dog.xml"
    file.write_text(f"""<mujoco model="dog">
  <compiler angle="radian" autolimits="true"/>
  <default><joint damping="0.1" armature="0.005"/></default>
  <worldbody>
    <body name="trunk" pos="0 0 0.5">
      <freejoint/>
      <geom type="box" size="0.25 0.08 0.05" mass="6"/>{legs}
    </body>
  </worldbody>
  <actuator>{motors}</actuator>
</mujoco>""")
    return file


def urdf_dog(folder: Path) -> Path:
    """A frame without mass on top, feet on fixed joints, effort and velocity limits, a mesh for its trunk."""
    (folder / "meshes").mkdir(exist_ok=True)
    (folder / "meshes" / "trunk.obj").write_text(
        "".join(f"v {x} {y} {z}\n" for x, y, z in product((-0.2, 0.2), (-0.08, 0.08), (-0.05, 0.05)))
        + "f 1 2 3\nf 2 4 3\nf 5 7 6\nf 6 7 8\nf 1 5 2\nf 2 5 6\nf 3 4 7\nf 4 8 7\nf 1 3 5\nf 3 7 5\nf 2 6 4\nf 4 6 8\n"
    )

    def inertial(mass: float, x: float, z: float) -> str:
        moments = (mass * z**2 / 12 + 1e-4, mass * (x**2 + z**2) / 12 + 1e-4, mass * x**2 / 12 + 1e-4)
        numbers = " ".join(f'{name}="{value:.6f}"' for name, value in zip(("ixx", "iyy", "izz"), moments, strict=True))
        return f'<inertial><mass value="{mass}"/><inertia {numbers} ixy="0" ixz="0" iyz="0"/></inertial>'

    parts = f"""
  <link name="base"/>
  <link name="trunk">{inertial(5, 0.4, 0.1)}
    <visual><geometry><mesh filename="package://dog_description/meshes/trunk.obj"/></geometry></visual>
    <collision><geometry><box size="0.4 0.16 0.1"/></geometry></collision></link>
  <joint name="fixed" type="fixed"><parent link="base"/><child link="trunk"/></joint>"""
    for fore, side in product((1, -1), (1, -1)):
        n = f"{'front' if fore > 0 else 'rear'}_{'left' if side > 0 else 'right'}"
        for joint, parent, place, axis, limits, effort in (
            ("hip", "trunk", f"{0.19 * fore} {0.05 * side} 0", "1 0 0", "-0.8 0.8", 24),
            ("thigh", f"{n}_hip", f"0 {0.08 * side} 0", "0 1 0", "-0.7 3.0", 24),
            ("calf", f"{n}_thigh", "0 0 -0.2", "0 1 0", "-2.7 -0.9", 36),
        ):
            low, high = limits.split()
            size = 0.05 if joint == "hip" else 0.2
            shape = f'<origin xyz="0 0 {-size / 2}"/><geometry><cylinder radius="0.015" length="{size}"/></geometry>'
            collision = "" if joint == "hip" else f"<collision>{shape}</collision>"
            parts += f"""
  <link name="{n}_{joint}">{inertial(0.8 if joint != "calf" else 0.2, 0.03, size)}<visual>{shape}</visual>{collision}</link>
  <joint name="{n}_{joint}_joint" type="revolute"><parent link="{parent}"/><child link="{n}_{joint}"/>
    <origin xyz="{place}"/><axis xyz="{axis}"/><dynamics damping="0.1" friction="0.05"/>
    <limit lower="{low}" upper="{high}" effort="{effort}" velocity="21"/></joint>"""
        parts += f"""
  <link name="{n}_foot">{inertial(0.05, 0.02, 0.02)}
    <collision><geometry><sphere radius="0.022"/></geometry></collision></link>
  <joint name="{n}_foot_joint" type="fixed"><parent link="{n}_calf"/><child link="{n}_foot"/>
    <origin xyz="0 0 -0.2"/></joint>"""
    file = folder / "dog.urdf"
    file.write_text(f'<?xml version="1.0"?>\n<robot name="dog">{parts}\n</robot>\n')
    return file


def mjcf_biped(folder: Path) -> Path:
    """Ten position servos, box feet, a keyframe, a plane of its own; the YAML beside it says what the file does not."""
    legs = ""
    for side, y in (("left", 0.1), ("right", -0.1)):
        legs += f"""
      <body name="{side}_pelvis" pos="0 {y} -0.1">
        <joint name="{side}_hip_yaw" axis="0 0 1" range="-0.5 0.5"/>
        <joint name="{side}_hip_roll" axis="{1 if y > 0 else -1} 0 0" range="-0.5 0.5"/>
        <joint name="{side}_hip_pitch" axis="0 1 0" range="-1.5 1"/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.05" mass="3"/>
        <body name="{side}_shin" pos="0 0 -0.3">
          <joint name="{side}_knee" axis="0 1 0" range="0 2.2"/>
          <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.04" mass="2"/>
          <body name="{side}_sole" pos="0 0 -0.3">
            <joint name="{side}_ankle" axis="0 1 0" range="-1 1"/>
            <geom type="box" pos="0.03 0 -0.03" size="0.11 0.05 0.015" mass="0.6"/>
          </body>
        </body>
      </body>"""
    joints = ("hip_yaw", "hip_roll", "hip_pitch", "knee", "ankle")
    servos = "".join(
        f'<position joint="{side}_{joint}" kp="200" kv="5" forcerange="-120 120"/>'
        for side in ("left", "right")
        for joint in joints
    )
    stand = "0 0 -0.3 0.6 -0.3 " * 2
    file = folder / "biped.xml"
    file.write_text(f"""<mujoco model="biped">
  <compiler angle="radian" autolimits="true"/>
  <default><joint damping="1" armature="0.02"/></default>
  <worldbody>
    <geom name="ground" type="plane" size="5 5 0.1" friction="0.9"/>
    <body name="torso" pos="0 0 0.8">
      <freejoint name="root"/>
      <geom type="box" size="0.08 0.12 0.15" pos="0 0 0.1" mass="10"/>{legs}
    </body>
  </worldbody>
  <actuator>{servos}</actuator>
  <keyframe><key name="stand" qpos="0 0 0.75 1 0 0 0 {stand}"/></keyframe>
</mujoco>""")
    file.with_suffix(".yaml").write_text("action_scale: {'*': 0.3, '*_knee': 0.5}\nkd: 6\nfallen_height: 0.4\n")
    return file
