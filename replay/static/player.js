// The page itself: time, controls, captions, plots and tables; the scene and the plots follow `time`.

let time = 0, playing = false, scene = null, recordings = [], plots = [], captions = [];
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
    lighten(now - clockwork);
    time += Math.min(0.25, (now - clockwork) / 1000) * Number(element("speed").value);
  }
  clockwork = now;
  if (time >= duration) { time = duration; setPlaying(false); }
}

// Machines without graphics hardware: fewer pixels and no shadows rather than a slide show.
let slow = 0, quality = 1;
function lighten(milliseconds) {
  slow = milliseconds > 110 ? slow + 1 : Math.max(0, slow - 1);
  if (slow < 4 || quality < 0.4 || !scene) return;
  slow = 0;
  quality *= 0.6;
  scene.setQuality(quality, false);
}

function draw() {
  scene?.draw(time);
  for (const plot of plots) plot.at(time);
  element("slider").value = time;
  element("clock").replaceChildren(time.toFixed(2), make("span", { class: "total" }, " / " + duration.toFixed(2)), " s");
  placeCaptions();
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

const step = (frames) => { setPlaying(false); seek((Math.round(time / frameStep) + frames) * frameStep); };

function jumpToFall(direction) {
  const falls = recordings.flatMap((r) => r.falls).sort((a, b) => a - b);
  const next = direction > 0 ? falls.find((t) => t > time + 1e-3) : falls.findLast((t) => t < time - 1e-3);
  if (next === undefined) return;
  setPlaying(false);
  seek(next);
}

function toggleMode() {
  if (!scene || recordings.length < 2) return;
  const mode = scene.mode === "side" ? "ghosts" : "side";
  element("mode").value = mode;
  scene.setMode(mode);
}

function buildCaptions() {
  captions = recordings.map((recording, i) => {
    const state = make("span", { class: "state" });
    const button = make("button", { title: "Look at this robot" }, make("b", {}, recording.label), ` ${recording.robot} · ${recording.task}`, state);
    button.addEventListener("click", () => scene?.setFocus(i));
    element("captions").append(button);
    return { button, state };
  });
}

function placeCaptions() {
  const views = scene?.views() || [], together = scene && scene.mode === "ghosts";
  captions.forEach(({ button, state }, i) => {
    const recording = recordings[i], falls = recording.falls.filter((t) => t <= time + 1e-6);
    const episode = falls.length + recording.cuts.filter((t) => t < time - 1e-6).length + 1;
    const episodes = recording.falls.length + recording.cuts.length + (recording.done.at(-1) ? 0 : 1);
    const since = falls.length ? time - falls.at(-1) : Infinity, ended = time > recording.duration + 1e-3;
    const now = since < 0.5 * frameStep || (ended && recording.done.at(-1) === 1), fell = now || since < 1;
    const parts = [];
    if (episodes > 1) parts.push(`episode ${Math.min(now ? episode - 1 : episode, episodes)} of ${episodes}`);
    if (now) parts.push("fell"); else if (fell) parts.push("reset after a fall");
    else if (falls.length) parts.push(falls.length === 1 ? "1 fall so far" : `${falls.length} falls so far`);
    if (ended) parts.push("recording ended");
    state.textContent = parts.join(" · ");
    button.classList.toggle("fell", fell);
    button.classList.toggle("unfocused", Boolean(together && i !== scene.focused));
    button.style.setProperty("--colour", shade(recording.colour));
    const [x, y] = together || !views[i] ? [0, i * 56] : views[i];
    button.style.maxWidth = (views[together ? 0 : i]?.[2] ?? 400) - 20 + "px";
    button.style.left = x + "px";
    button.style.top = y + "px";
  });
}

function buildMarks() {
  for (const recording of recordings) {
    const mark = (t, kind) => {
      const node = make("i", { class: kind });
      node.style.left = (100 * t) / (duration || 1) + "%";
      node.recolour = () => node.style.setProperty("--colour", shade(recording.colour));
      node.recolour();
      element("marks").append(node);
    };
    recording.falls.forEach((t) => mark(t, "fall"));
    recording.cuts.forEach((t) => { if (t < duration - 1e-3) mark(t, "cut"); });
  }
}

const UNITS = { vx: "Forward speed (m/s)", vy: "Sideways speed (m/s)", yaw: "Turning rate (rad/s)" };

function buildPlots() {
  const shared = { xlabel: "time (s)", xrange: [0, duration || 1], onSeek: seek };
  const line = (r, values, rest = {}) => ({ label: r.label, colour: r.colour, x: r.times, y: values, breaks: r.done, ...rest });
  const names = [...new Set(recordings.flatMap((r) => r.commandNames))];
  for (const name of names) {
    const having = recordings.filter((r) => r.commandNames.includes(name));
    const column = (r, what) => r.column(what, r.commandNames.indexOf(name), r.commandNames.length);
    const commands = having.map((r) => column(r, "command"));
    const same = commands.every((c) => c.length === commands[0].length && c.every((v, i) => v === commands[0][i]));
    const lines = same
      ? [line(having[0], commands[0], { label: "commanded", colour: null, dashed: true })]
      : having.map((r, i) => line(r, commands[i], { label: r.label + " commanded", dashed: true }));
    plots.push(linePlot({ title: UNITS[name] || name, lines: [...lines, ...having.map((r) => line(r, column(r, "actual")))], ...shared }));
  }
  const series = [...new Set(recordings.flatMap((r) => [...r.series.keys()]))];
  const choose = (name) => recordings.filter((r) => r.series.has(name)).map((r) => line(r, r.series.get(name)));
  const select = make("select", { "aria-label": "Quantity to plot" }, ...series.map((name) => make("option", { value: name }, name)));
  const plot = linePlot({ title: "Reward and more", lines: choose(series[0]), ...shared });
  plot.legend.before(select);
  select.addEventListener("change", () => { plot.setLines(choose(select.value)); plot.draw(); plot.at(time); });
  plots.push(plot);
  if (recordings.some((r) => r.footNames.length)) plots.push(gaitPlot(recordings, seek));
  element("plots").append(...plots.map((p) => p.node));
}

function table(title, columns, rows) {
  const numeric = (text) => /^[-+−]?[\d.,]+(e[-+]?\d+)?( ?%)?( ?[×x])?$/i.test(text.trim());
  const cells = (tag, row) => make("tr", {}, ...row.map((text) => make(tag, numeric(text) ? { class: "number" } : {}, text)));
  const head = make("tr", {}, ...columns.map((c, i) => make("th", { scope: "col", ...(rows.length && rows.every((r) => numeric(r[i]) || r[i] === "–") && { class: "number" }) }, c)));
  return make("div", { class: "card" }, make("h2", {}, title), make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows.map((r) => cells("td", r)))));
}

function buildMore(data) {
  const curves = [];
  // Tables stand below the replay where there is one.
  const tables = data.recordings.length ? element("tables") : element("more");
  if (data.summary?.note) { element("note").textContent = data.summary.note; element("note").hidden = false; }
  if (data.summary?.rows.length) tables.append(table("Summary", data.summary.columns, data.summary.rows));
  const groups = Map.groupBy ? Map.groupBy(data.curves, (c) => c.xlabel + "\n" + c.ylabel) : groupBy(data.curves, (c) => c.xlabel + "\n" + c.ylabel);
  for (const group of groups.values()) curves.push(linePlot({ title: group[0].ylabel || "Curve", lines: group, xlabel: group[0].xlabel, height: 210 }));
  element("more").append(...curves.map((c) => c.node));
  const names = [...new Set(data.recordings.flatMap((r) => Object.keys(r.parameters)))];
  if (names.length) {
    const value = (r, name) => (name in r.parameters ? short(r.parameters[name]) : "nominal");
    tables.append(table("What differs from the nominal robot", ["parameter", ...data.recordings.map((r) => r.label)], names.map((n) => [n, ...data.recordings.map((r) => value(r, n))])));
  } else if (data.recordings.length) {
    tables.append(make("div", { class: "card" }, make("h2", {}, "What differs from the nominal robot"), make("p", { class: "empty" }, "Nothing: every parameter is nominal.")));
  }
  return curves;
}

function groupBy(items, of) {
  const groups = new Map();
  for (const item of items) groups.set(of(item), [...(groups.get(of(item)) || []), item]);
  return groups;
}

function wire() {
  const on = (id, type, action) => element(id).addEventListener(type, action);
  on("play", "click", () => setPlaying(!playing));
  on("back", "click", () => step(-1));
  on("forward", "click", () => step(1));
  on("slider", "input", () => { const t = Number(element("slider").value); setPlaying(false); seek(t); });
  on("fall-back", "click", () => jumpToFall(-1));
  on("fall-forward", "click", () => jumpToFall(1));
  on("mode", "change", () => scene?.setMode(element("mode").value));
  on("follow", "change", () => scene?.setFollow(element("follow").checked, time));
  on("recentre", "click", () => scene?.reset());
  // A button clicked with the mouse must not catch the space bar afterwards.
  for (const button of document.querySelectorAll("button")) button.addEventListener("mousedown", (event) => event.preventDefault());
  const keys = {
    " ": () => setPlaying(!playing),
    ArrowRight: (shift) => (shift ? seek(time + 1) : step(1)),
    ArrowLeft: (shift) => (shift ? seek(time - 1) : step(-1)),
    Home: () => seek(0),
    End: () => seek(duration),
    f: () => jumpToFall(1),
    F: () => jumpToFall(-1),
    g: toggleMode,
    c: () => scene?.reset(),
  };
  document.addEventListener("keydown", (event) => {
    const onControl = event.target.closest("button, select, summary, input[type=checkbox]");
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    if (onControl && (event.key === " " || event.target.matches("select"))) return; // the control's own
    event.preventDefault();
    keys[event.key](event.shiftKey);
  });
}

async function main() {
  const data = JSON.parse(element("data").textContent), buffer = await unpack("blob");
  recordings = data.recordings.map((raw) => openRecording(raw, buffer));
  const curves = buildMore(data);
  if (recordings.length) {
    duration = Math.max(...recordings.map((r) => r.duration));
    frameStep = Math.min(...recordings.map((r) => (r.times.length > 1 ? r.times[1] - r.times[0] : 0.02)));
    element("slider").max = duration;
    element("falls").hidden = !recordings.some((r) => r.falls.length);
    element("layout").hidden = recordings.length < 2;
    element("arrows").hidden = !recordings.some((r) => r.commandNames.includes("vx") && r.commandNames.includes("vy"));
    buildCaptions();
    buildMarks();
    buildPlots();
    wire();
    await openScene(data.meshes, buffer);
    if (scene) element("square").textContent = `floor squares ${scene.square} m`;
  } else {
    document.querySelector("main").classList.add("no-replay");
  }
  const redraw = () => { scene?.repaint(); document.querySelectorAll("#marks i").forEach((i) => i.recolour()); [...plots, ...curves].forEach((p) => p.draw()); changed(); };
  dark.addEventListener("change", redraw);
  let width = 0;
  new ResizeObserver(() => {
    scene?.resize();
    if (width !== innerWidth) [...plots, ...curves].forEach((p) => p.draw());
    width = innerWidth;
    changed();
  }).observe(recordings.length ? element("view") : element("more"));
  redraw();
  window.surefoot = {
    get time() { return time; }, get playing() { return playing; }, duration, seek, ready: true,
    bodyPose(index, name) {
      const column = recordings[index].bodies.findIndex((b) => b.name === name);
      return column < 0 ? null : poseAt(recordings[index], column, time);
    },
  };
}

async function openScene(meshes, buffer) {
  try {
    THREE = await loadThree();
    scene = buildScene(element("scene"), recordings, meshes, buffer, changed);
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
  console.error(error);
});
