// The live page: frames and the state come through a WebSocket, what people do goes back. Messages: see live.py.

{ // a block of its own: its names are nobody else's

const data = JSON.parse(element("data").textContent), live = data.live, WINDOW = 10; // seconds in the plots
let recordings = [], scene = null, state = null, socket = null, plots = [], captions = [], dirty = false, latest = null;
let frames = 0, heard = 0, waiting = 0, attempt = 0, retry = null, pushAngle = Math.PI / 2, pushSpeed = 1;

// --- frames -----------------------------------------------------------------------------------------------------------

const ROWS = TRAIL_SECONDS * 60; // frames that the feet's paths are drawn of

// A recording of two steps becomes one whose rows are the last two frames: all that draws a recording draws a live robot.
function enliven(recording) {
  const n = recording.bodies.length, { commands, actual, contacts } = live.robots[recordings.length];
  const two = (array, width) => { const rows = new Float32Array(2 * width); rows.set(array.subarray(0, 2 * width)); return rows; };
  return Object.assign(recording, {
    times: new Float64Array(2), done: new Uint8Array(2), position: two(recording.position, 3 * n), path: two(recording.path, 3),
    quaternion: two(recording.quaternion, 4 * n).map((v) => v / 32767), command: new Float32Array(2 * commands),
    actual: new Float32Array(2 * actual), contact: new Uint8Array(2 * contacts), load: null,
    steps: {
      times: new Float64Array(ROWS).fill(-Infinity), done: new Uint8Array(ROWS), contact: new Uint8Array(ROWS * contacts),
      points: recording.feet.map(() => new Float32Array(3 * ROWS)), rowAt: () => ROWS - 1,
    },
    drift: [0, 0, 0], past: { t: [], speed: [], command: [], actual: [], reward: [] },
  });
}

// The oldest row goes, `row` comes last.
const shift = (array, row) => { array.copyWithin(0, row.length); array.set(row, array.length - row.length); };

function read(buffer) {
  const time = new DataView(buffer).getFloat64(0, true), numbers = new Float32Array(buffer, 8);
  let at = 0;
  const take = (count) => numbers.subarray(at, (at += count));
  latest = live.robots.map((robot, i) => {
    const recording = recordings[i], n = recording.bodies.length;
    const [fallen, reward] = take(2), command = take(robot.commands), actual = take(robot.actual), contact = take(robot.contacts);
    const latent = take(robot.latent), inferred = take(3 * robot.inferred.length), poses = take(7 * n);
    const elapsed = time - recording.times[1];
    shift(recording.times, [time]);
    shift(recording.done, [fallen]);
    shift(recording.position, poses.filter((_, k) => k % 7 < 3));
    shift(recording.quaternion, poses.filter((_, k) => k % 7 >= 3));
    shift(recording.command, command); shift(recording.actual, actual); shift(recording.contact, contact);
    follow(recording, elapsed);
    tread(recording, elapsed);
    remember(recording, time, elapsed, reward, command, actual);
    return { time, fallen, reward, command, actual, contact, latent, inferred };
  });
  frames++;
}

// Where the camera looks: the base without its bounce, kept up with by its speed of late.
// Where the feet are now joins their paths; a robot that was put elsewhere begins new ones.
function tread(recording, elapsed) {
  const { steps, times, done, contact, feet } = recording, n = contact.length / 2;
  if (elapsed === 0) return;
  if (!(elapsed > 0 && elapsed < 0.5)) steps.times.fill(-Infinity);
  shift(steps.times, [times[1]]); shift(steps.done, [done[1]]); shift(steps.contact, contact.subarray(n));
  feet.forEach((foot, f) => shift(steps.points[f], footAt(recording, foot, times[1])));
}

function follow(recording, elapsed) {
  const n = recording.bodies.length, b = Math.max(0, recording.baseColumn), { position, path, drift } = recording;
  const base = [0, 1, 2].map((k) => position[(n + b) * 3 + k]), before = [0, 1, 2].map((k) => position[b * 3 + k]);
  path.copyWithin(0, 3);
  const jump = Math.hypot(...base.map((v, k) => v - path[3 + k]));
  if (!(elapsed > 0 && elapsed < 0.5) || jump > 3) { path.set(base, 3); drift.fill(0); return; }
  base.forEach((v, k) => {
    drift[k] += (1 - Math.exp(-elapsed / 0.4)) * ((v - before[k]) / elapsed - drift[k]);
    path[3 + k] += drift[k] * elapsed + (1 - Math.exp(-elapsed / 0.3)) * (v - path[3 + k]);
  });
}

function remember(recording, time, elapsed, reward, command, actual) {
  const { past } = recording, last = past.t.length - 1, steady = elapsed > 0 && elapsed < 0.5;
  if (time <= past.t[last]) { if (time === past.t[last]) return; for (const list of Object.values(past)) list.length = 0; }
  const mix = steady ? 1 - Math.exp(-elapsed / 0.2) : 1, blend = (list, v) => (list.length ? list.at(-1) + mix * (v - list.at(-1)) : v);
  past.t.push(time);
  past.speed.push(blend(past.speed, recording.drift[0]));
  past.reward.push(blend(past.reward, reward));
  past.command.push([...command]);
  const row = past.actual.at(-1) || [];
  past.actual.push([...actual].map((v, k) => blend(row.length ? [row[k]] : [], v)));
  while (past.t[0] < time - WINDOW) for (const list of Object.values(past)) list.shift();
}

// --- drawing ----------------------------------------------------------------------------------------------------------

let scheduled = false, clockwork = null;
function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame((now) => {
    scheduled = false;
    if (clockwork !== null && state && !state.paused) scene?.lighten(now - clockwork);
    clockwork = now;
    if (!latest) return;
    scene?.draw(latest[0].time);
    element("clock").textContent = latest[0].time.toFixed(2) + " s";
  });
}

const UNITS = { vx: "forward (m/s)", vy: "sideways (m/s)", yaw: "turning (rad/s)" };

function buildPlots() {
  const shared = { xlabel: "s", xrange: [-WINDOW, 0], height: 96 }, shown = live.limits ? live.commands : [];
  const line = (label, colour, dashed = false) => ({ label, colour, dashed, x: [], y: [] });
  const robots = recordings.map((r) => line(r.label === "controller" ? "actual" : r.label, r.colour));
  const speed = linePlot({ title: shown.length ? "" : "Forward speed (m/s)", lines: [...(shown.length ? [line("commanded", null, true)] : []), ...robots], ...shared });
  const select = make("select", { "aria-label": "Which velocity" }, ...shown.map((name, k) => make("option", { value: k }, UNITS[name] || name)));
  if (shown.length) speed.legend.before(select);
  const rewards = recordings.map((r) => line(r.label === "controller" ? "of a step" : r.label, r.colour));
  const reward = linePlot({ title: "Reward", lines: rewards, ...shared });
  function fill() {
    const k = Number(select.value || 0);
    recordings.forEach(({ past }, i) => {
      const x = past.t.map((t) => t - past.t.at(-1));
      Object.assign(robots[i], { x, y: shown.length ? past.actual.map((row) => row[k]) : past.speed });
      Object.assign(rewards[i], { x, y: past.reward });
    });
    const lines = [...robots];
    if (shown.length) lines.unshift(Object.assign(speed.asked, { x: robots[0].x, y: recordings[0].past.command.map((row) => row[k]) }));
    for (const [plot, list] of [[speed, lines], [reward, rewards]]) {
      plot.draw();
      [...plot.legend.children].forEach((item, i) => { if (list[i]?.y.length && item.readout) item.readout.textContent = list[i].y.at(-1).toFixed(2); });
    }
  }
  speed.asked = shown.length ? line("commanded", null, true) : null;
  if (shown.length) speed.setLines([speed.asked, ...robots]);
  select.addEventListener("change", fill);
  plots = [speed, reward];
  plots.fill = fill;
  element("plots").append(speed.node, reward.node);
}

function buildCaptions() {
  captions = recordings.map((recording, i) => {
    const text = make("span", { class: "state" });
    const button = make("button", { title: "Look at this robot" }, make("b", {}, recording.label), ` ${recording.robot} · ${recording.task}`, text);
    button.addEventListener("click", () => scene?.setFocus(i));
    element("captions").append(button);
    return { button, text };
  });
}

function placeCaptions() {
  const views = scene?.views() || [], together = scene?.mode === "ghosts";
  captions.forEach(({ button, text }, i) => {
    const [x, y, width] = together || !views[i] ? [0, i * 56, views[0]?.[2] ?? 400] : views[i], falls = state?.falls[i] || 0;
    const parts = [];
    if (latest?.[i].fallen) parts.push("fell"); else if (state?.paused) parts.push("paused");
    if (falls) parts.push(falls === 1 ? "1 fall so far" : `${falls} falls so far`);
    if (state?.diverged[i]) parts.push("the simulation broke down " + (state.diverged[i] === 1 ? "once" : state.diverged[i] + " times"));
    text.textContent = parts.join(" · ");
    button.classList.toggle("fell", Boolean(latest?.[i].fallen));
    button.style.setProperty("--colour", shade(recordings[i].colour));
    Object.assign(button.style, { left: x + "px", top: y + "px", maxWidth: width - 20 + "px" });
  });
}

// --- controls ---------------------------------------------------------------------------------------------------------

const outbox = new Map(); // newest of each kind: a slider moves more often than a message is worth
function send(message, key = null) {
  if (socket?.readyState !== 1) return;
  if (key === null) { socket.send(JSON.stringify(message)); return; }
  if (!outbox.size) setTimeout(() => { for (const m of outbox.values()) if (socket?.readyState === 1) socket.send(JSON.stringify(m)); outbox.clear(); }, 30);
  outbox.set(key, message);
}

// A range and a number that say the same. `show(v)` sets both, unless a hand is on them; `ask(v)` is called with what people choose.
function slider(label, [low, high], legal, unit, ask) {
  const step = (high - low) / 200 || 0.01, id = "s" + Math.random().toString(36).slice(2);
  const range = make("input", { type: "range", id, min: low, max: high, step: "any" });
  const number = make("input", { type: "number", min: legal[0], max: legal[1], step: "any", "aria-label": label });
  const node = make("div", { class: "setting" }, make("label", { for: id }, label), range, number, make("span", { class: "unit" }, unit));
  let touched = -Infinity;
  const chosen = (value, other) => { touched = performance.now(); other.value = tidy(value); ask(value); };
  range.addEventListener("input", () => chosen(Number((Math.round(Number(range.value) / step) * step).toPrecision(6)), number));
  number.addEventListener("change", () => { if (number.value !== "" && number.checkValidity()) chosen(Number(number.value), range); else number.reportValidity(); });
  const show = (value) => {
    if (performance.now() - touched < 600 || document.activeElement === number) return;
    range.value = value; number.value = tidy(value);
  };
  return { node, range, number, show };
}
const tidy = (value) => String(Number(value.toPrecision(4)));

let drive = [];
function buildDrive() {
  const card = element("drive");
  if (!live.limits) { card.append(make("p", { class: "empty" }, live.commands.length ? "It has to find its goal out by itself: there is no command." : "This task has no command: the robot does what it has learned.")); return; }
  const says = { vx: "forward", vy: "to the left", yaw: "turn left" }, units = { yaw: "rad/s" };
  drive = live.commands.map((name, k) => slider(says[name] || name, [-live.limits[k], live.limits[k]], [-live.limits[k], live.limits[k]], units[name] || "m/s", () => command(drive.map((s) => Number(s.number.value)))));
  const stop = make("button", { title: "Stand still (X)" }, "Stand still");
  stop.addEventListener("click", () => command(live.limits.map(() => 0), true));
  card.firstElementChild.append(stop);
  card.append(...drive.map((s) => s.node));
}

function command(value, show = false) {
  send({ do: "command", value }, "command");
  if (state) state.command = value;
  if (show) drive.forEach((s, k) => s.show(value[k]));
}

function nudge(k, sign) {
  if (!live.limits || !state) return;
  const limit = live.limits[k], value = [...state.command];
  value[k] = Math.max(-limit, Math.min(limit, Math.round((value[k] + (sign * limit) / 8) * 1000) / 1000));
  if (Math.abs(value[k]) < limit / 20) value[k] = 0;
  command(value, true);
}

const push = (angle = pushAngle) => { pushAngle = angle; send({ do: "push", angle, speed: pushSpeed }); };
function buildPush() {
  const ways = live.planar ? [["behind", 0], ["the front", Math.PI]] : [["behind", 0], ["the front", Math.PI], ["its left", -Math.PI / 2], ["its right", Math.PI / 2]];
  if (live.planar) pushAngle = Math.PI;
  const strength = slider("strength", [0, Math.min(3, live.strongest)], [0, live.strongest], "m/s", (v) => { pushSpeed = v; });
  strength.show(pushSpeed);
  const buttons = ways.map(([label, angle]) => { const b = make("button", { "aria-label": `Push from ${label}` }, label); b.addEventListener("click", () => push(angle)); return b; });
  element("shove").append(make("div", { class: "row" }, ...buttons), strength.node);
}

let motors = [];
function buildMotors() {
  const flag = live.parameters.find((p) => p.flag), card = element("motors");
  if (!flag) { card.hidden = true; return; }
  // The first groups that have no motor in common, such as the legs, where these are all motors.
  const seen = new Set(), groups = Object.entries(flag.groups).filter(([, names]) => names.every((n) => !seen.has(n)) && names.every((n) => seen.add(n)));
  const whole = seen.size === flag.elements.length;
  for (const [group, names] of whole ? groups : [["", flag.elements]]) {
    const buttons = names.map((name) => {
      const button = make("button", { "aria-pressed": "false", title: `${name}: kill or revive` }, group ? name.replace(group + "_", "") : name.replaceAll("_", " "));
      const at = flag.at + flag.elements.indexOf(name);
      button.addEventListener("click", () => send({ do: "set", key: `${flag.name}.${name}`, value: state?.values[at] ? 0 : 1 }));
      motors.push({ button, at });
      return button;
    });
    card.append(make("div", { class: "row" }, ...(group ? [make("span", {}, group.replaceAll("_", " "))] : []), ...buttons));
  }
}

let adaptSwitch = null, beliefs = [];
function buildAdapting() {
  const card = element("adapting");
  if (live.adapts) element("shove").after(card);
  adaptSwitch = make("input", { type: "checkbox", id: "adapts", ...(live.adapts ? {} : { disabled: "" }) });
  adaptSwitch.addEventListener("change", () => send({ do: "adapter", value: adaptSwitch.checked }));
  card.append(make("div", { class: "row" }, make("label", {}, adaptSwitch, " It adapts while it walks")));
  live.robots.forEach((robot, i) => {
    card.append(make("p", {}, (live.robots.length > 1 ? robot.label + ": " : "") + robot.says));
    const belief = { cells: [] };
    if (robot.inferred.length) {
      const rows = robot.inferred.map((name) => { const cells = [make("td", { class: "number" }), make("td", { class: "number" })]; belief.cells.push(cells); return make("tr", {}, make("td", {}, name), ...cells); });
      const head = make("tr", {}, make("th", {}, "parameter"), make("th", { class: "number" }, "it believes"), make("th", { class: "number" }, "true"));
      card.append(make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
    }
    if (robot.latent) { belief.canvas = make("canvas", { role: "img", "aria-label": "What it remembers, one bar a number" }); card.append(belief.canvas); }
    beliefs[i] = belief;
  });
}

function showBeliefs() {
  beliefs.forEach(({ cells, canvas }, i) => {
    const { inferred, latent } = latest[i], count = cells.length;
    cells.forEach(([said, truth], e) => {
      said.textContent = short(inferred[e]) + (inferred[count + e] ? " ± " + short(inferred[count + e]) : "");
      truth.textContent = short(inferred[2 * count + e]);
    });
    if (!canvas?.clientWidth) return;
    const ratio = devicePixelRatio || 1, width = (canvas.width = canvas.clientWidth * ratio), height = (canvas.height = 34 * ratio), context = canvas.getContext("2d");
    const bar = width / latent.length, most = Math.max(1, ...latent.map(Math.abs));
    context.fillStyle = style("--line"); context.fillRect(0, height / 2, width, ratio);
    context.fillStyle = shade(recordings[i].colour);
    latent.forEach((v, k) => context.fillRect(k * bar, height / 2, Math.max(1, bar - ratio), (-v / most) * (height / 2)));
  });
}

const FIRST = ["payload", "friction", "motor_strength"];
let settings = [], summary = null;
function buildRobotCard() {
  const rest = make("details", {}, (summary = make("summary", {}, "All parameters"))), card = element("robot");
  const parameters = live.parameters.filter((p) => !p.flag).sort((a, b) => (FIRST.indexOf(a.name) + 1 || 9) - (FIRST.indexOf(b.name) + 1 || 9));
  for (const p of parameters) {
    const choice = make("select", { "aria-label": `Which ${p.name}` }, make("option", { value: "" }, "all"), ...[...Object.keys(p.groups), ...p.elements].map((name) => make("option", { value: name }, name.replaceAll("_", " "))));
    const key = () => p.name + (choice.value ? "." + choice.value : "");
    const one = slider(p.name.replaceAll("_", " "), p.span, p.legal, p.unit || "×", (value) => send({ do: "set", key: key(), value }, key()));
    const back = make("button", { title: `${p.name} as in the model`, "aria-label": `${p.name} as in the model` }, "↺");
    back.addEventListener("click", () => send({ do: "nominal", key: p.name }));
    const which = make("span", { class: "which" });
    one.node.title = p.says;
    one.node.classList.add("pick");
    one.node.append(back);
    if (p.elements.length > 1) one.node.append(make("span"), choice);
    one.node.append(which);
    (FIRST.includes(p.name) ? card : rest).append(one.node);
    const columns = () => (!choice.value ? p.nominal.map((_, k) => k) : (p.groups[choice.value] || [choice.value]).map((name) => p.elements.indexOf(name)));
    const show = () => {
      const values = p.nominal.map((_, k) => state.values[p.at + k]), differs = values.map((v, k) => Math.abs(v - p.nominal[k]) > 1e-5 * Math.max(1, Math.abs(p.nominal[k])));
      const picked = columns().map((k) => values[k]), changed = differs.some(Boolean);
      one.show(picked.reduce((a, b) => a + b, 0) / picked.length);
      one.node.classList.toggle("changed", changed);
      one.number.title = picked.some((v) => v !== picked[0]) ? "the mean of several values" : "";
      const named = p.elements.filter((_, k) => differs[k]).map((name) => `${name.replaceAll("_", " ")} ${short(values[p.elements.indexOf(name)])}`);
      which.textContent = changed && p.elements.length > 1 && named.length < p.elements.length ? named.join(", ") : "";
      return changed && !FIRST.includes(p.name);
    };
    choice.addEventListener("change", () => state && show());
    settings.push(show);
  }
  const all = make("button", { title: "Every parameter and motor as in the model" }, "Nominal");
  all.addEventListener("click", () => send({ do: "nominal" }));
  card.append(rest);
  card.firstElementChild.append(all);
}

// --- state ------------------------------------------------------------------------------------------------------------

function take(next) {
  if (next.id !== live.id) { // another run at this address: its page, once
    if (sessionStorage.getItem("surefoot") !== next.id) { sessionStorage.setItem("surefoot", next.id); location.reload(); }
    return;
  }
  const notice = next.notice && next.notice !== state?.notice;
  state = next;
  drive.forEach((s, k) => s.show(state.command[k]));
  const hidden = settings.map((show) => show()).filter(Boolean).length;
  summary.textContent = "All parameters" + (hidden ? ` (${hidden} changed)` : "");
  for (const { button, at } of motors) button.setAttribute("aria-pressed", state.values[at] ? "true" : "false");
  adaptSwitch.checked = live.adapts && state.adapts;
  element("pause").setAttribute("aria-label", state.paused ? "Go on" : "Pause");
  const recorded = state.recording.length > 0;
  element("record").setAttribute("aria-pressed", String(recorded));
  element("record").textContent = recorded ? "Stop" : "Record";
  if (notice) say(state.notice);
  placeCaptions();
}

let quiet = null;
function say(text, error = false) {
  const node = element("notice");
  node.textContent = text; node.hidden = false;
  node.classList.toggle("error", error);
  clearTimeout(quiet);
  quiet = setTimeout(() => { node.hidden = true; }, 7000);
}

function link(name, text, offline = "") {
  element("link").dataset.state = name;
  if (element("link-state").textContent !== text) element("link-state").textContent = text;
  element("offline").hidden = !offline;
  if (offline) { element("offline-text").textContent = offline; element("rate").textContent = ""; }
}

function connect() {
  clearTimeout(retry);
  link("connecting", "connecting", attempt ? "Connecting again …" : "Connecting …");
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/socket${location.search}`);
  socket.binaryType = "arraybuffer";
  const mine = socket;
  mine.onopen = () => { attempt = 0; heard = performance.now(); link("live", "live"); };
  mine.onmessage = ({ data: message }) => {
    heard = performance.now();
    if (element("link").dataset.state === "silent") link("live", "live");
    if (typeof message !== "string") { read(message); changed(); return; }
    const told = JSON.parse(message);
    if (told.error) say(told.error, true); else take(told.state);
  };
  mine.onclose = ({ reason }) => {
    if (mine !== socket) return;
    attempt++;
    waiting = Math.min(10, 2 ** (attempt - 1));
    const count = () => {
      link("lost", "no connection", `${reason || "The connection is lost: perhaps surefoot play was ended."} Trying again in ${waiting} s.`);
      if (waiting-- <= 0) connect(); else retry = setTimeout(count, 1000);
    };
    count();
  };
}

// Several times a second: what need not follow each frame.
let before = { frames: 0, at: 0 };
function tick() {
  const now = performance.now();
  if (socket?.readyState === 1 && now - heard > 4000) link("silent", "no answer");
  if (latest) { placeCaptions(); plots.fill(); showBeliefs(); }
  if (now - before.at > 1000) {
    const rate = ((frames - before.frames) * 1000) / (now - before.at);
    if (state && socket?.readyState === 1) element("rate").textContent = state.paused ? "paused" : `${rate.toFixed(0)} frames/s · ${state.rate.toFixed(2)} × real time`;
    before = { frames, at: now };
  }
}

function wire() {
  const on = (id, type, action) => element(id).addEventListener(type, action);
  const ghosts = () => { if (scene && recordings.length > 1) { const mode = scene.mode === "side" ? "ghosts" : "side"; element("mode").value = mode; scene.setMode(mode); } };
  const pause = () => { if (state) send({ do: "pause", value: (state.paused = !state.paused) }); }, step = () => send({ do: "step" }), reset = () => send({ do: "reset" });
  on("pause", "click", pause); on("step", "click", step); on("reset", "click", reset);
  on("record", "click", () => send({ do: "record", value: !state?.recording.length }));
  on("again", "click", connect);
  on("mode", "change", () => scene?.setMode(element("mode").value));
  on("follow", "change", () => {
    const on = element("follow").checked, t = latest?.[0].time ?? 0;
    if (scene?.setCamera) scene.setCamera(on ? "follow" : "orbit", t); else scene?.setFollow(on, t);
  });
  on("recentre", "click", () => scene?.reset());
  // A button clicked with the mouse must not catch the space bar afterwards.
  for (const button of document.querySelectorAll("button")) button.addEventListener("mousedown", (event) => event.preventDefault());
  const forward = () => nudge(0, 1), back = () => nudge(0, -1), left = () => nudge(1, 1), right = () => nudge(1, -1);
  const keys = {
    ArrowUp: forward, w: forward, ArrowDown: back, s: back, ArrowLeft: left, a: left, ArrowRight: right, d: right,
    q: () => nudge(2, 1), e: () => nudge(2, -1), x: () => live.limits && command(live.limits.map(() => 0), true), " ": () => push(),
    p: pause, n: step, r: reset, o: () => live.adapts && send({ do: "adapter", value: !state?.adapts }), g: ghosts, c: () => scene?.reset(),
    ...Object.fromEntries(Object.entries(CAMERA_KEYS).map(([key, act]) => [key, () => scene && act(scene)])),
    "?": () => { element("keys").open = !element("keys").open; },
  };
  document.addEventListener("keydown", (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[key]) return;
    if (event.target.closest("input[type=number], select")) return; // typed there
    if (key.startsWith("Arrow") && event.target.closest("input[type=range]")) return;
    if (key === " " && event.target.closest("button, summary, input[type=checkbox]")) return;
    event.preventDefault();
    keys[key]();
  });
}

async function main() {
  const buffer = await unpack("blob");
  for (const raw of data.recordings) recordings.push(enliven(openRecording(raw, buffer)));
  element("layout").hidden = recordings.length < 2;
  element("arrows").hidden = !live.limits;
  buildCaptions(); buildPlots(); buildDrive(); buildPush(); buildAdapting(); buildMotors(); buildRobotCard();
  wire();
  try {
    THREE = await loadThree();
    scene = buildScene(element("scene"), recordings, data.meshes, buffer, changed);
    scene.setLayer("centre", false); // it needs numbers that are not sent
    element("square").textContent = `floor squares ${scene.square} m`;
  } catch (error) {
    console.warn("no 3-D view:", error.message);
    scene = null;
    element("message").textContent = "This browser offers no WebGL, so the 3-D view is missing. Controls, plots and numbers work.";
    element("message").hidden = false;
  }
  onTheme(() => { scene?.repaint(); plots.forEach((p) => p.draw()); changed(); });
  new ResizeObserver(() => { scene?.resize(); plots.forEach((p) => p.draw()); changed(); }).observe(element("view"));
  connect();
  setInterval(tick, 120);
  window.surefoot = {
    ready: true, send,
    get state() { return state; }, get frames() { return frames; }, get latest() { return latest; }, get linked() { return element("link").dataset.state; },
    bodyPose(index, name) {
      const column = recordings[index].bodies.findIndex((b) => b.name === name);
      return column < 0 || !latest ? null : poseAt(recordings[index], column, latest[index].time);
    },
  };
}

main().catch((error) => {
  element("alert").textContent = "This page cannot be shown: " + error.message;
  element("alert").hidden = false;
  console.error(error);
});

}
