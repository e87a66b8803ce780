// The page itself: time, and what follows it. Captions, plots and tables are in panels.js, buttons and keys in controls.js.

let time = 0, playing = false, scene = null, recordings = [], plots = [], captions = [], parametersAt = () => {};
let duration = 0, frameStep = 0.02, scheduled = false, clockwork = null;

// Draw once before the next repaint, however many things changed.
function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame((now) => {
    scheduled = false;
    if (playing) advance(now);
    draw();
    if (playing) changed();
  });
}

function advance(now) {
  if (clockwork !== null) {
    scene?.lighten(now - clockwork);
    time += Math.min(0.25, (now - clockwork) / 1000) * Number(element("speed").value);
  }
  clockwork = now;
  if (time < duration) return;
  if (element("loop").checked) { time = 0; return; }
  time = duration;
  setPlaying(false);
}

function draw() {
  scene?.draw(time);
  placeCaptions(captions, recordings, scene, time, frameStep); // which asks for sizes: before anything below changes the page
  for (const plot of plots) plot.at(time);
  parametersAt(time);
  element("slider").value = time;
  element("slider").setAttribute("aria-valuetext", time.toFixed(2) + " seconds");
  element("clock").replaceChildren(time.toFixed(2), make("span", { class: "total" }, " / " + duration.toFixed(2)), " s");
}

function seek(t) {
  time = Math.min(duration, Math.max(0, t));
  changed();
}

function setPlaying(on) {
  if (on && time >= duration) time = 0;
  playing = on && duration > 0;
  clockwork = null;
  element("play").setAttribute("aria-label", playing ? "Pause" : "Play");
  changed();
}

const EVENTS = { // to which one can jump, in seconds
  falls: (r) => [...r.falls, ...(r.diverged === null ? [] : [r.duration])],
  changes: (r) => r.becomes,
};

const player = {
  get time() { return time; },
  get duration() { return duration; },
  get scene() { return scene; },
  seek,
  toggle: () => setPlaying(!playing),
  scrub(t) { setPlaying(false); seek(t); },
  step: (frames) => player.scrub((Math.round(time / frameStep) + frames) * frameStep),
  jump(kind, direction) {
    const events = recordings.flatMap(EVENTS[kind]).sort((a, b) => a - b);
    const next = direction > 0 ? events.find((t) => t > time + 1e-3) : events.findLast((t) => t < time - 1e-3);
    if (next !== undefined) player.scrub(next);
  },
  setMode(mode) { element("mode").value = mode; scene?.setMode(mode); },
  toggleMode() { if (scene && recordings.length > 1) player.setMode(scene.mode === "side" ? "ghosts" : "side"); },
  setCamera(name) { element("camera").value = name; memory.set("camera", name); scene?.setCamera(name, time); },
  setLayer(name, on) { scene?.setLayer(name, on); pressLayer(name, on); },
  toggleLayer(name) { document.querySelector(`[data-layer=${name}]`)?.click(); },
};

async function main() {
  const data = JSON.parse(element("data").textContent), buffer = await unpack("blob");
  recordings = data.recordings.map((raw) => openRecording(raw, buffer));
  const results = buildResults(data);
  if (recordings.length) await open(data, buffer); else document.querySelector("main").classList.add("no-replay");
  const all = [...plots, ...results];
  const redraw = () => { scene?.repaint(); document.querySelectorAll("#marks i").forEach((i) => i.recolour()); all.forEach((p) => p.draw()); changed(); };
  onTheme(redraw);
  let width = innerWidth;
  new ResizeObserver(() => {
    scene?.resize();
    if (width !== innerWidth) all.forEach((p) => p.draw());
    width = innerWidth;
    changed();
  }).observe(recordings.length ? element("view") : element("more"));
  all.forEach((p) => p.draw());
  draw();
  performance.measure("surefoot-open", "surefoot-script");
  window.surefoot = {
    get time() { return time; }, get playing() { return playing; }, get scene() { return scene; }, duration, seek, ready: true,
    bodyPose(index, name) {
      const column = recordings[index].bodies.findIndex((b) => b.name === name);
      return column < 0 ? null : poseAt(recordings[index], column, time);
    },
    feet: (index) => recordings[index].feet.map((foot) => footAt(recordings[index], foot, time)),
    centreOfMass: (index) => centreAt(recordings[index], time),
  };
}

async function open(data, buffer) {
  duration = Math.max(...recordings.map((r) => r.duration));
  const steps = recordings.map((r) => r.times[1] - r.times[0]).filter((s) => s > 0);
  frameStep = steps.length ? Math.min(...steps) : 0.02;
  element("slider").max = duration || 1;
  element("slider").disabled = element("play").disabled = duration === 0;
  for (const kind of ["falls", "changes"]) element(kind).hidden = !recordings.some((r) => EVENTS[kind](r).length);
  element("layout").hidden = recordings.length < 2;
  captions = buildCaptions(recordings, (i) => scene?.setFocus(i));
  buildMarks(recordings, duration);
  plots = buildPlots(recordings, duration, seek, () => time);
  parametersAt = buildParameters(recordings);
  wire(player);
  await openScene(data.meshes, buffer);
  buildLayerButtons(recordings, player.setLayer);
  const camera = memory.get("camera", "follow");
  if (Object.values(CAMERAS).includes(camera)) player.setCamera(camera);
  if (scene) element("square").textContent = `floor squares ${scene.square} m`;
  else element("layers").hidden = true;
}

async function openScene(meshes, buffer) {
  try {
    THREE = await loadThree();
    scene = buildScene(element("scene"), recordings, meshes, buffer, changed);
    element("message").hidden = true;
    element("scene").addEventListener("webglcontextlost", () => say("The browser has dropped the 3-D view. Reload the page to get it back."));
  } catch (error) {
    console.warn("no 3-D view:", error.message);
    scene = null;
    say("This browser offers no WebGL, so the 3-D view is missing. Timeline, plots and tables work.");
  }
}

function say(text) {
  element("message").textContent = text;
  element("message").hidden = false;
  element("arrows").hidden = true;
}

main().catch((error) => {
  element("alert").textContent = typeof DecompressionStream === "undefined"
    ? "This browser is too old for this page: use Chrome 80, Firefox 113, Safari 16.4 or later."
    : "This page is damaged and cannot be shown: " + error.message;
  element("alert").hidden = false;
  document.querySelector("main").classList.add("no-replay");
  console.error(error);
});
