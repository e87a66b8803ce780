// The 3-D view: one robot a recording, side by side in views of their own or together as ghosts, and a camera to orbit.

// Returns { draw(t), resize(), lighten(ms), repaint(), setMode(mode), setFocus(i), setCamera(name, t), setLayer(name, on), reset(), … }.
// Throws where WebGL is missing.
function buildScene(canvas, recordings, meshes, buffer, changed) {
  const renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true });
  renderer.shadowMap.enabled = true;
  renderer.setScissorTest(true);
  const scene = new THREE.Scene(), camera = new THREE.PerspectiveCamera(38, 1, 0.02, 200);
  camera.up.set(0, 0, 1);
  const sky = new THREE.HemisphereLight(0xffffff, 0x8a8d90, 1.7), sun = new THREE.DirectionalLight(0xffffff, 2.1);
  sun.castShadow = true;
  sun.shadow.mapSize.set(1024, 1024);
  sun.shadow.normalBias = 0.01;
  scene.add(sky, sun, sun.target);
  scene.fog = new THREE.Fog(0, 1, 2);

  const geometryOf = geometryMaker(meshes, buffer);
  const robots = recordings.map((recording) => {
    const robot = buildRobot(recording, geometryOf);
    scene.add(robot.moving, robot.still);
    return robot;
  });
  pose(0);
  // All robots are seen at one scale: that of the largest.
  const size = Math.max(0.2, ...robots.map((robot) => {
    const box = new THREE.Box3().setFromObject(robot.moving);
    return box.isEmpty() ? 0.2 : box.getSize(new THREE.Vector3()).length() / 2;
  }));
  const square = size < 0.7 ? 0.25 : 1, ground = buildGround(square);
  scene.add(ground);
  const shown = Object.fromEntries(Object.entries(LAYERS).map(([name, layer]) => [name, layer.on]));
  robots.forEach((robot, i) => {
    robot.layers = buildLayers(recordings[i], size, robot.height);
    for (const { group } of Object.values(robot.layers)) scene.add(group);
  });
  Object.assign(sun.shadow.camera, { left: -3 * size, right: 3 * size, top: 3 * size, bottom: -3 * size, near: 0.1, far: 20 * size });
  scene.fog.near = 8 * size; scene.fog.far = 34 * size;
  camera.far = 60 * size;

  const START = { azimuth: -1.05, elevation: 0.3, distance: 3.7 * size }, ABOVE = { azimuth: -Math.PI / 2, elevation: 1.56, distance: 4.2 * size };
  const orbit = { ...START, pan: new THREE.Vector3() };
  let mode = recordings.length > 1 ? "side" : "ghosts", focus = 0, held = null, view = "follow";

  function pose(t) {
    robots.forEach((robot, i) => robot.bodies.forEach((body, b) => {
      const { position, quaternion: [w, x, y, z] } = poseAt(recordings[i], b, t);
      body.position.set(...position);
      body.quaternion.set(x, y, z, w);
    }));
  }

  function place(t) {
    pose(t);
    for (const robot of robots) for (const [name, layer] of Object.entries(robot.layers)) if (shown[name]) layer.update(t);
  }

  function repaint() {
    scene.background = new THREE.Color(style("--sky"));
    scene.fog.color = scene.background;
    sky.intensity = isDark() ? 1.25 : 1.9;
    ground.paint();
    for (const robot of robots) {
      robot.tint();
      for (const layer of Object.values(robot.layers)) layer.paint();
    }
  }

  // Rectangles [x, y, width, height] of the views in pixels from the top left.
  function views() {
    const width = canvas.clientWidth, height = canvas.clientHeight, n = recordings.length;
    if (mode === "ghosts" || n === 1) return [[0, 0, width, height]];
    const columns = width < 560 ? 1 : Math.min(n, n === 4 ? 2 : 3), rows = Math.ceil(n / columns);
    const w = width / columns, h = height / rows;
    const gap = 2; // between views, where the page's own colour shows
    return recordings.map((_, i) => [(i % columns) * w, Math.floor(i / columns) * h, w - gap, h - gap]);
  }

  function drawView([x, y, width, height], seen, t) {
    const together = mode === "ghosts";
    robots.forEach((robot, i) => {
      const ghost = together && i !== seen;
      robot.moving.visible = together || i === seen;
      robot.still.visible = i === seen;
      // Of ghosts, the trails are worth comparing; the rest would be a thicket.
      for (const [name, { group }] of Object.entries(robot.layers)) group.visible = shown[name] && (i === seen || (ghost && name === "trails"));
      for (const material of robot.materials) {
        material.opacity = material.alpha * (ghost ? 0.4 : 1);
        const transparent = material.opacity < 1;
        if (transparent !== material.transparent) Object.assign(material, { transparent, needsUpdate: true });
        }
      robot.moving.traverse((o) => { if (o.isMesh) o.castShadow = !ghost; });
    });
    const at = view !== "orbit" ? targetAt(recordings[seen], t) : held[seen];
    const target = new THREE.Vector3(...at).add(orbit.pan), { azimuth, elevation, distance } = orbit;
    // A narrow view shows less to the sides: stand further back.
    const back = distance * Math.max(1, 1.15 / (width / height));
    camera.position.set(Math.cos(azimuth) * Math.cos(elevation), Math.sin(azimuth) * Math.cos(elevation), Math.sin(elevation)).multiplyScalar(back).add(target);
    camera.position.z = Math.max(camera.position.z, robots[seen].height + 0.03);
    camera.lookAt(target);
    api.eye.target.copy(target);
    camera.aspect = width / height;
    camera.updateProjectionMatrix();
    sun.target.position.copy(target);
    sun.position.set(-2.2, -3.2, 7).multiplyScalar(size).add(target);
    ground.position.set(Math.round(target.x / (2 * square)) * 2 * square, Math.round(target.y / (2 * square)) * 2 * square, robots[seen].height);
    ground.visible = recordings[seen].geoms.some(isGround) || !robots[seen].still.children.length;
    const bottom = canvas.clientHeight - y - height;
    renderer.setViewport(x, bottom, width, height);
    renderer.setScissor(x, bottom, width, height);
    renderer.render(scene, camera);
  }

  let slow = 0, quality = 1;
  const api = {
    views,
    square,
    get mode() { return mode; },
    get focused() { return focus; },
    get camera() { return view; },
    get layers() { return shown; },
    // Of the view drawn last: for tests that render the same.
    eye: { fov: camera.fov, position: camera.position, target: new THREE.Vector3() },
    draw(t) {
      place(t);
      views().forEach((rectangle, i) => drawView(rectangle, mode === "ghosts" ? focus : i, t));
    },
    resize() { renderer.setSize(canvas.clientWidth, canvas.clientHeight, false); },
    setQuality(ratio, shadows) { renderer.setPixelRatio(ratio); sun.castShadow = shadows; api.resize(); },
    // After a frame that took so long. Machines without graphics hardware: fewer pixels and no shadows rather than a slide show.
    lighten(milliseconds) {
      slow = milliseconds > 110 ? slow + 1 : Math.max(0, slow - 1);
      if (slow < 4 || quality < 0.4) return;
      slow = 0;
      quality *= 0.6;
      api.setQuality(quality, false);
    },
    repaint,
    setMode(next) { mode = next; changed(); },
    setFocus(i) { focus = i; changed(); },
    setLayer(name, on) { shown[name] = on; changed(); },
    // "follow": goes with the robot; "orbit": stays where it is; "above": looks down on the robot and goes with it.
    setCamera(name, t) {
      held = recordings.map((r) => targetAt(r, t));
      if ((name === "above") !== (view === "above")) Object.assign(orbit, name === "above" ? ABOVE : START);
      view = name;
      changed();
    },
    // By keys, as far as a drag or a turn of the wheel would.
    turn(azimuth, elevation) { turnBy(orbit, azimuth, elevation); changed(); },
    zoom(factor) { zoomBy(orbit, size, factor); changed(); },
    reset() { Object.assign(orbit, view === "above" ? ABOVE : START); orbit.pan.set(0, 0, 0); changed(); },
  };
  listen(canvas, orbit, size, changed);
  api.setQuality(Math.min(2, devicePixelRatio || 1), true);
  repaint();
  return api;
}

function turnBy(orbit, azimuth, elevation) {
  orbit.azimuth += azimuth;
  orbit.elevation = Math.min(1.56, Math.max(-0.1, orbit.elevation + elevation));
}

function zoomBy(orbit, size, factor) { orbit.distance = Math.min(20 * size, Math.max(1.2 * size, orbit.distance * factor)); }

// What keys do to the camera, on any page.
const CAMERA_KEYS = {
  h: (scene) => scene.turn(-0.15, 0), k: (scene) => scene.turn(0.15, 0), u: (scene) => scene.turn(0, 0.1), j: (scene) => scene.turn(0, -0.1),
  i: (scene) => scene.zoom(0.85), b: (scene) => scene.zoom(1 / 0.85),
};

// Drag turns, Shift or right or middle drag moves, wheel or pinch zooms.
function listen(canvas, orbit, size, changed) {
  const pointers = new Map();
  let spread = 0;
  const zoom = (factor) => zoomBy(orbit, size, factor);
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    spread = 0;
  });
  const release = (event) => { pointers.delete(event.pointerId); spread = 0; };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const dx = event.clientX - before[0], dy = event.clientY - before[1];
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()], now = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (spread) zoom(spread / now);
      spread = now;
    } else if (event.shiftKey || event.buttons > 1) {
      const scale = orbit.distance / canvas.clientHeight, s = Math.sin(orbit.azimuth), c = Math.cos(orbit.azimuth);
      orbit.pan.x += (dx * s - dy * c * Math.sin(orbit.elevation)) * scale;
      orbit.pan.y += (-dx * c - dy * s * Math.sin(orbit.elevation)) * scale;
      orbit.pan.z += dy * Math.cos(orbit.elevation) * scale;
    } else {
      turnBy(orbit, -dx * 0.008, dy * 0.006);
    }
    changed();
  });
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(event.deltaY * 0.0012)); changed(); }, { passive: false });
}
