// MuJoCo geoms as three.js objects. `THREE` is set when the module has been loaded.

let THREE = null;

// One geometry for each size of a primitive and each mesh, shared by all recordings.
function geometryMaker(meshes, buffer) {
  const made = new Map();
  const build = ({ type, size, mesh }) => {
    const [a, b, c] = size;
    if (type === "sphere") return new THREE.SphereGeometry(a, 28, 18);
    if (type === "ellipsoid") return new THREE.SphereGeometry(1, 28, 18).scale(a, b, c);
    if (type === "box") return new THREE.BoxGeometry(2 * a, 2 * b, 2 * c);
    if (type === "plane") return new THREE.PlaneGeometry(2 * (a || 50), 2 * (b || 50));
    // three.js stands cylinders and capsules along y, MuJoCo along z.
    if (type === "capsule") return new THREE.CapsuleGeometry(a, 2 * b, 8, 20).rotateX(Math.PI / 2);
    if (type === "cylinder") return new THREE.CylinderGeometry(a, a, 2 * b, 28).rotateX(Math.PI / 2);
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(dequantise(buffer, meshes[mesh].vertices), 3));
    geometry.setIndex(new THREE.BufferAttribute(viewOf(buffer, meshes[mesh].faces), 1));
    return geometry;
  };
  return (geom) => {
    const name = geom.type === "mesh" ? "mesh " + geom.mesh : geom.type + geom.size;
    if (!made.has(name)) made.set(name, build(geom));
    return made.get(name);
  };
}

const isGround = (geom) => geom.type === "plane" && geom.body === 0 && Math.hypot(geom.quat[1], geom.quat[2]) < 1e-3;

// The robot in its recording's colour, and the world around it in its own.
function buildRobot(recording, geometryOf) {
  const moving = new THREE.Group(), still = new THREE.Group(), materials = [];
  const bodies = recording.bodies.map(() => new THREE.Group());
  moving.add(...bodies);
  for (const geom of recording.geoms) {
    if (isGround(geom)) continue;
    const [r, g, b, alpha] = geom.rgba;
    const material = new THREE.MeshStandardMaterial({ roughness: 0.62, metalness: 0.05, opacity: alpha, transparent: alpha < 1, flatShading: geom.type === "mesh" });
    material.own = new THREE.Color().setRGB(r, g, b, THREE.SRGBColorSpace);
    material.alpha = alpha;
    const mesh = new THREE.Mesh(geometryOf(geom), material);
    mesh.position.set(...geom.pos);
    mesh.quaternion.set(geom.quat[1], geom.quat[2], geom.quat[3], geom.quat[0]);
    mesh.castShadow = mesh.receiveShadow = true;
    const column = recording.bodies.findIndex((body) => body.id === geom.body);
    (column >= 0 ? bodies[column] : still).add(mesh);
    if (column >= 0 && !geom.own) materials.push(material); else material.color.copy(material.own);
  }
  const ground = recording.geoms.find(isGround);
  const height = ground ? ground.pos[2] : 0;
  return { moving, still, bodies, materials, height, tint: () => tint(materials, recording.colour) };
}

// Between the colours for light and dark themes, which are made for text.
const roleColour = ([light, dark]) => new THREE.Color(light).lerp(new THREE.Color(dark), 0.5);

// Light parts stay lighter and dark parts darker, and a little of their own colour shines through: parts are told apart.
function tint(materials, colour) {
  const role = roleColour(colour);
  for (const { color, own } of materials) {
    const light = 0.3 * own.r + 0.6 * own.g + 0.1 * own.b;
    color.copy(role).multiplyScalar(0.75 + 0.5 * light).lerp(own, 0.15);
  }
}

// A shaft and a head of unit length along +x; scaled along x by `point`.
function buildArrow(thickness) {
  const material = new THREE.MeshBasicMaterial(), group = new THREE.Group();
  const shaft = new THREE.Mesh(new THREE.CylinderGeometry(thickness, thickness, 1, 12).rotateZ(-Math.PI / 2).translate(0.5, 0, 0), material);
  const head = new THREE.Mesh(new THREE.ConeGeometry(thickness * 2.8, thickness * 6.5, 16).rotateZ(-Math.PI / 2), material);
  group.add(shaft, head);
  group.point = ([x, y, z], angle, length) => {
    group.visible = length > thickness;
    group.position.set(x, y, z);
    group.rotation.z = angle;
    shaft.scale.x = Math.max(1e-4, length);
    head.scale.setScalar(Math.min(1, length / (thickness * 5))); // a short arrow is not all head
    head.position.x = length + thickness * 3 * head.scale.x;
  };
  group.material = material;
  return group;
}

// A checker of squares (side in metres) that reaches the horizon; colours of the theme.
function buildGround(side) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 64;
  const texture = new THREE.CanvasTexture(canvas);
  texture.wrapS = texture.wrapT = THREE.RepeatWrapping;
  texture.repeat.set(80, 80); // each repeat is two squares by two
  texture.magFilter = THREE.NearestFilter;
  texture.colorSpace = THREE.SRGBColorSpace;
  texture.anisotropy = 8;
  const mesh = new THREE.Mesh(new THREE.PlaneGeometry(160 * side, 160 * side), new THREE.MeshStandardMaterial({ map: texture, roughness: 1 }));
  mesh.receiveShadow = true;
  mesh.paint = () => {
    const context = canvas.getContext("2d");
    context.fillStyle = style("--floor-a"); context.fillRect(0, 0, 64, 64);
    context.fillStyle = style("--floor-b"); context.fillRect(0, 0, 32, 32); context.fillRect(32, 32, 32, 32);
    texture.needsUpdate = true;
  };
  return mesh;
}
