// What can be laid over the robots: velocity arrows, foot trails, contact forces, centre of mass, support polygon.

const LAYERS = {
  velocity: { key: "v", label: "Velocity", hint: "commanded and actual velocity", on: true, has: (r) => speedColumns(r) !== null },
  trails: { key: "t", label: "Foot trails", hint: "where the feet were in the last two seconds; dots: on the ground", on: true, has: (r) => r.feet.length > 0 },
  contacts: { key: "x", label: "Contact forces", hint: "normal forces measured by the feet's touch sensors", on: true, has: (r) => r.feet.length > 0 },
  centre: { key: "m", label: "Centre of mass", hint: "of the robot as it was, payload included, and its place on the ground", on: false, has: (r) => r.bodies.length > 0 },
  support: { key: "p", label: "Support", hint: "polygon between the feet that touch the ground", on: false, has: (r) => r.feet.length > 1 },
};
const TRAIL_SECONDS = 2;

function speedColumns(recording) {
  const columns = ["vx", "vy"].map((name) => recording.commandNames.indexOf(name));
  return columns.every((c) => c >= 0) && recording.baseColumn >= 0 ? columns : null;
}

// { name: { group, update(t), paint() } } of the layers that a recording has; `size` is the robot's, in metres.
function buildLayers(recording, size, height) {
  const made = { velocity: velocityLayer, trails: trailLayer, contacts: contactLayer, centre: centreLayer, support: supportLayer };
  const layers = {};
  for (const [name, build] of Object.entries(made)) {
    if (recording.bodies.length && LAYERS[name].has(recording)) layers[name] = build(recording, size, height);
  }
  return layers;
}

function velocityLayer(recording, size) {
  const arrows = [buildArrow(size * 0.022), buildArrow(size * 0.03)], group = new THREE.Group(); // commanded, actual
  group.add(...arrows);
  const [cx, cy] = speedColumns(recording), count = recording.commandNames.length;
  return {
    group,
    update(t) {
      const k = rowAt(recording, t), { position: [x, y, z], quaternion: q } = poseAt(recording, recording.baseColumn, t);
      const heading = Math.atan2(2 * (q[0] * q[3] + q[1] * q[2]), 1 - 2 * (q[2] * q[2] + q[3] * q[3]));
      [recording.command, recording.actual].forEach((array, a) => {
        const vx = array[k * count + cx], vy = array[k * count + cy];
        arrows[a].point([x, y, z + size * (0.5 + 0.09 * a)], heading + Math.atan2(vy, vx), Math.hypot(vx, vy) * size);
      });
    },
    paint() {
      arrows[0].material.color.set(style("--ink"));
      arrows[1].material.color.copy(roleColour(recording.colour));
    },
  };
}

// Rows in which the feet's paths are drawn: all of a recording; of a live robot (`steps`) the last ones, as they come.
function stepsOf(recording) {
  const { times, done, contact } = recording;
  const points = recording.feet.map((foot) => Float32Array.from([...times].flatMap((t) => footAt(recording, foot, t))));
  return { times, done, contact, points, rowAt: (t) => rowAt(recording, t) };
}

// A line along each foot's path, and a dot for each row in which it touches the ground.
function trailLayer(recording, size) {
  const group = new THREE.Group(), { feet } = recording, count = recording.footNames.length, steps = recording.steps ?? stepsOf(recording);
  const { times, done, contact } = steps;
  const line = new THREE.LineBasicMaterial({ transparent: true, opacity: 0.9 }), dot = new THREE.MeshBasicMaterial();
  const paths = feet.map((foot, f) => {
    const points = steps.points[f];
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(points, 3));
    const path = new THREE.Line(geometry, line);
    path.frustumCulled = false;
    group.add(path);
    return { foot, points, geometry };
  });
  const most = feet.length * (TRAIL_SECONDS * 60 + 4);
  const dots = new THREE.InstancedMesh(new THREE.OctahedronGeometry(size * 0.02), dot, most);
  dots.frustumCulled = false;
  group.add(dots);
  const matrix = new THREE.Matrix4();
  return {
    group,
    update(t) {
      const last = steps.rowAt(t);
      let first = last, n = 0;
      while (first > 0 && !done[first - 1] && times[last] - times[first - 1] <= TRAIL_SECONDS) first--;
      for (const { foot, points, geometry } of paths) {
        geometry.setDrawRange(first, last - first + 1);
        if (recording.steps) geometry.getAttribute("position").needsUpdate = true;
        for (let k = first; k <= last && n < most; k++) {
          if (contact[k * count + foot.contact]) dots.setMatrixAt(n++, matrix.makeTranslation(points[k * 3], points[k * 3 + 1], points[k * 3 + 2]));
        }
      }
      dots.count = n;
      dots.instanceMatrix.needsUpdate = true;
    },
    paint() { line.color.copy(roleColour(recording.colour)); dot.color.copy(line.color); },
  };
}

// A disc under each foot that touches the ground and, where the feet have touch sensors, an arrow as long as the force.
function contactLayer(recording, size) {
  const group = new THREE.Group(), count = recording.footNames.length, { feet, load } = recording;
  const disc = new THREE.MeshBasicMaterial({ transparent: true, opacity: 0.55, depthWrite: false, side: THREE.DoubleSide });
  const marks = feet.map(() => {
    const mark = new THREE.Mesh(new THREE.CircleGeometry(size * 0.09, 24), disc), arrow = buildArrow(size * 0.018);
    arrow.rotation.y = -Math.PI / 2; // upwards
    group.add(mark, arrow);
    return { mark, arrow };
  });
  return {
    group,
    update(t) {
      const k = rowAt(recording, t), { weight } = robotAt(recording, t);
      feet.forEach((foot, f) => {
        const { mark, arrow } = marks[f], [x, y, z] = footAt(recording, foot, t);
        mark.visible = recording.contact[k * count + foot.contact] > 0;
        mark.position.set(x, y, z - size * 0.02);
        // The robot's weight on one foot is 1.6 sizes long.
        arrow.point([x, y, z], 0, load && mark.visible ? (1.6 * size * load[k * feet.length + f]) / weight : 0);
      });
    },
    paint() {
      disc.color.set(style("--force"));
      for (const { arrow } of marks) arrow.material.color.set(style("--force"));
    },
  };
}

// A ball that is seen through the body, and a plumb line to the ground.
function centreLayer(recording, size, height) {
  const group = new THREE.Group(), material = new THREE.MeshBasicMaterial({ depthTest: false, transparent: true });
  const ball = new THREE.Mesh(new THREE.SphereGeometry(size * 0.05, 16, 12), material);
  const plumb = new THREE.Mesh(new THREE.CylinderGeometry(size * 0.006, size * 0.006, 1, 6).rotateX(Math.PI / 2), material);
  const foot = new THREE.Mesh(new THREE.RingGeometry(size * 0.03, size * 0.05, 24), material);
  for (const mesh of [ball, plumb, foot]) mesh.renderOrder = 2;
  group.add(ball, plumb, foot);
  return {
    group,
    update(t) {
      const [x, y, z] = centreAt(recording, t);
      ball.position.set(x, y, z);
      plumb.position.set(x, y, (z + height) / 2);
      plumb.scale.z = Math.max(1e-4, z - height);
      foot.position.set(x, y, height + 0.004);
    },
    paint() { material.color.set(style("--ink")); },
  };
}

function centreAt(recording, t) {
  const [k, share] = moment(recording, t), c = recording.centreOfMass;
  return [0, 1, 2].map((i) => c[k * 3 + i] + (share ? share * (c[k * 3 + 3 + i] - c[k * 3 + i]) : 0));
}

function supportLayer(recording, size, height) {
  const group = new THREE.Group(), { feet } = recording, count = recording.footNames.length;
  const material = new THREE.MeshBasicMaterial({ transparent: true, opacity: 0.35, depthWrite: false, side: THREE.DoubleSide });
  const edge = new THREE.LineBasicMaterial(), points = new Float32Array(feet.length * 3), index = [];
  for (let i = 1; i + 1 < feet.length; i++) index.push(0, i, i + 1); // a fan
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute("position", new THREE.BufferAttribute(points, 3));
  geometry.setIndex(index);
  const outlineGeometry = new THREE.BufferGeometry();
  outlineGeometry.setAttribute("position", geometry.getAttribute("position"));
  const area = new THREE.Mesh(geometry, material), outline = new THREE.LineLoop(outlineGeometry, edge);
  area.frustumCulled = outline.frustumCulled = false;
  group.add(area, outline);
  return {
    group,
    update(t) {
      const corners = supportAt(recording, t);
      corners.forEach(([x, y], i) => points.set([x, y, height + 0.003], i * 3));
      geometry.getAttribute("position").needsUpdate = true;
      geometry.setDrawRange(0, 3 * Math.max(0, corners.length - 2));
      outlineGeometry.setDrawRange(0, corners.length);
      outline.visible = corners.length > 1;
    },
    paint() { material.color.copy(roleColour(recording.colour)); edge.color.copy(material.color); },
  };
}

// Corners [x, y] of the polygon between the feet that touch the ground at time t.
function supportAt(recording, t) {
  const k = rowAt(recording, t), count = recording.footNames.length;
  return hull(recording.feet.filter((foot) => recording.contact[k * count + foot.contact]).map((foot) => footAt(recording, foot, t).slice(0, 2)));
}
