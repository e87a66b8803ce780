// What stands around the scene: captions, marks on the timeline, plots in step, the robots' parameters, results.

// Names of the robots over the scene, and what has become of each by time t.
function buildCaptions(recordings, focus) {
  return recordings.map((recording, i) => {
    const state = make("span", { class: "state" });
    const button = make("button", { title: "Look at this robot" }, make("b", {}, recording.label), ` ${recording.robot} · ${recording.task}`, state);
    button.addEventListener("click", () => focus(i));
    element("captions").append(button);
    return { button, state };
  });
}

function placeCaptions(captions, recordings, scene, t, frameStep) {
  const views = scene?.views() || [], together = scene && scene.mode === "ghosts";
  captions.forEach(({ button, state }, i) => {
    const recording = recordings[i], { text, bad } = stateAt(recording, t, frameStep);
    state.textContent = text;
    button.classList.toggle("fell", bad);
    button.classList.toggle("unfocused", Boolean(together && i !== scene.focused));
    button.style.setProperty("--colour", shade(recording.colour));
    const [x, y] = together || !views[i] ? [0, i * 56] : views[i];
    button.style.maxWidth = (views[together ? 0 : i]?.[2] ?? 400) - 20 + "px";
    button.style.left = x + "px";
    button.style.top = y + "px";
  });
}

function stateAt(recording, t, frameStep) {
  const falls = recording.falls.filter((f) => f <= t + 1e-6);
  const episode = falls.length + recording.cuts.filter((c) => c < t - 1e-6).length + 1;
  const episodes = recording.falls.length + recording.cuts.length + (recording.done.at(-1) ? 0 : 1);
  const since = falls.length ? t - falls.at(-1) : Infinity, ended = t > recording.duration + 1e-3;
  const now = since < 0.5 * frameStep || (ended && recording.done.at(-1) === 1), fell = now || since < 1;
  const diverged = recording.diverged !== null && t > recording.duration - 1e-3;
  const parts = [];
  if (episodes > 1) parts.push(`episode ${Math.min(now ? episode - 1 : episode, episodes)} of ${episodes}`);
  if (diverged) parts.push(`diverged at ${recording.diverged.toFixed(2)} s`);
  else if (now) parts.push("fell");
  else if (fell) parts.push("reset after a fall");
  else if (falls.length) parts.push(falls.length === 1 ? "1 fall so far" : `${falls.length} falls so far`);
  if (ended && !diverged) parts.push("recording ended");
  return { text: parts.join(" · "), bad: fell || diverged };
}

function buildMarks(recordings, duration) {
  for (const recording of recordings) {
    const mark = (t, kind) => {
      const node = make("i", { class: kind });
      node.style.left = (100 * t) / (duration || 1) + "%";
      node.recolour = () => node.style.setProperty("--colour", shade(recording.colour));
      node.recolour();
      element("marks").append(node);
    };
    recording.falls.forEach((t) => mark(t, "fall"));
    recording.becomes.forEach((t) => mark(t, "change"));
    recording.cuts.forEach((t) => { if (t < duration - 1e-3) mark(t, "cut"); });
    if (recording.diverged !== null) mark(recording.duration, "diverged");
  }
}

const UNITS = { vx: "Forward speed (m/s)", vy: "Sideways speed (m/s)", yaw: "Turning rate (rad/s)" };
const NINETY = 1.645; // standard deviations on each side of a mean that hold 90 % of a normal distribution
const SHARE = "largest share of a limit (%)";

function buildPlots(recordings, duration, seek, now) {
  const shared = { xlabel: "time (s)", xrange: [0, duration || 1], onSeek: seek }, plots = [];
  const line = (r, values, rest = {}) => ({ label: r.label, colour: r.colour, x: r.times, y: values, breaks: r.done, ...rest });
  for (const name of new Set(recordings.flatMap((r) => r.commandNames))) plots.push(commandPlot(name, recordings, line, shared));
  const series = [...new Set(recordings.flatMap((r) => [...r.series.keys()]))];
  plots.push(chooser("Reward and more", series, (name) => recordings.filter((r) => r.series.has(name)).map((r) => line(r, r.series.get(name))), shared, now));
  const driven = recordings.filter((r) => r.actuators.length);
  if (driven.length) {
    const limited = driven.some((r) => r.robots.some((robot) => robot.limit.some((v) => v !== null)));
    const names = [...(limited ? [SHARE] : []), ...new Set(driven.flatMap((r) => r.actuators))];
    plots.push(chooser("Actuator forces and limits", names, (name) => driven.flatMap((r) => forceLines(r, name, line)), shared, now));
  }
  const believing = recordings.filter((r) => r.inferredNames.length);
  if (believing.length) {
    const names = [...new Set(believing.flatMap((r) => r.inferredNames))];
    plots.push(chooser("Believed parameters (90 % interval)", names, (name) => believing.flatMap((r) => believedLines(r, name, line)), shared, now));
  }
  if (recordings.some((r) => r.footNames.length)) plots.push(gaitPlot(recordings, seek));
  element("plots").append(...plots.map((p) => p.node));
  return plots;
}

function commandPlot(name, recordings, line, shared) {
  const having = recordings.filter((r) => r.commandNames.includes(name));
  const column = (r, what) => r.column(what, r.commandNames.indexOf(name), r.commandNames.length);
  const commands = having.map((r) => column(r, "command"));
  const same = commands.every((c) => c.length === commands[0].length && c.every((v, i) => v === commands[0][i]));
  const lines = same
    ? [line(having[0], commands[0], { label: "commanded", colour: null, dashed: true })]
    : having.map((r, i) => line(r, commands[i], { label: r.label + " commanded", dashed: true }));
  return linePlot({ title: UNITS[name] || name, lines: [...lines, ...having.map((r) => line(r, column(r, "actual")))], ...shared });
}

// A plot of one of several quantities; `linesOf(name)` are its lines, `now()` the time.
function chooser(title, names, linesOf, shared, now) {
  const plot = linePlot({ title, lines: linesOf(names[0]), ...shared });
  const select = make("select", { "aria-label": title }, ...names.map((name) => make("option", { value: name }, name)));
  plot.legend.before(select);
  select.addEventListener("change", () => { plot.setLines(linesOf(select.value)); plot.draw(); plot.at(now()); });
  return plot;
}

// One actuator's force with its limits, or of all actuators the one that is nearest to its own.
function forceLines(r, name, line) {
  const n = r.actuators.length;
  if (name === SHARE) {
    const limits = r.actuators.map((_, i) => overRows(r, (robot) => robot.limit[i]));
    const share = new Float32Array(r.times.length);
    for (let k = 0; k < share.length; k++) for (let i = 0; i < n; i++) share[k] = Math.max(share[k], 100 * Math.abs(r.force[k * n + i]) / (limits[i][k] || NaN) || 0);
    return [line(r, share)];
  }
  const i = r.actuators.indexOf(name);
  if (i < 0) return [];
  const limit = overRows(r, (robot) => robot.limit[i]), lines = [line(r, r.column("force", i, n))];
  if (limit.every(Number.isNaN)) return lines;
  return [...lines, line(r, limit, { label: "limit", dashed: true }), line(r, limit.map((v) => -v), { dashed: true, quiet: true })];
}

function believedLines(r, name, line) {
  const e = r.inferredNames.indexOf(name), n = r.inferredNames.length;
  if (e < 0) return [];
  const band = r.column("inferredStd", e, n).map((v) => NINETY * v), truth = overRows(r, (robot) => robot.believed[e]);
  const believed = line(r, r.column("inferred", e, n), { label: r.label + " believes", band });
  return truth.every(Number.isNaN) ? [believed] : [believed, line(r, truth, { label: "true", colour: null, dashed: true })];
}

const numeric = (text) => /^[-+−]?[\d.,]+(e[-+]?\d+)?( ?%)?( ?[×x])?$/i.test(text.trim());

function table(title, columns, rows) {
  const cells = (tag, row) => make("tr", {}, ...row.map((text) => make(tag, numeric(text) ? { class: "number" } : {}, text)));
  const head = make("tr", {}, ...columns.map((c, i) => make("th", { scope: "col", ...(rows.length && rows.every((r) => numeric(r[i]) || r[i] === "–") && { class: "number" }) }, c)));
  return make("div", { class: "card" }, make("h2", {}, title), make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows.map((r) => cells("td", r)))));
}

// What differs from the nominal robot, in step with the time; all parameters on demand. Returns update(t).
function buildParameters(recordings) {
  const known = new Map(recordings.flatMap((r) => r.parameters.map((p) => [p.name, p])));
  const differs = new Set(recordings.flatMap((r) => r.robots.flatMap((robot) => Object.keys(robot.changed))));
  const card = make("div", { class: "card" }, make("h2", {}, "What differs from the nominal robot"));
  element("parameters").append(card);
  if (!differs.size) card.append(make("p", { class: "empty" }, "Nothing: every parameter is nominal."));
  const names = [...differs, ...[...known.keys()].filter((name) => !differs.has(name))];
  const nominal = (name) => (known.get(name).nominal === null ? "–" : short(known.get(name).nominal));
  const cells = new Map();
  const rows = names.map((name) => {
    const { unit } = known.get(name), values = recordings.map(() => make("td", { class: "number" }));
    cells.set(name, values);
    const label = make("th", { scope: "row" }, name, ...(unit && unit !== "1" ? [make("span", { class: "unit" }, " " + unit)] : []));
    return make("tr", differs.has(name) ? {} : { class: "same" }, label, make("td", { class: "number quiet" }, nominal(name)), ...values);
  });
  const head = make("tr", {}, ...["parameter", "nominal", ...recordings.map((r) => r.label)].map((c, i) => make("th", { scope: "col", ...(i && { class: "number" }) }, c)));
  const body = make("table", { class: "parameters" }, make("thead", {}, head), make("tbody", {}, ...rows));
  body.classList.toggle("none", !differs.size);
  const scroll = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Parameters" }, body);
  card.append(scroll);
  if (names.length > differs.size) {
    const all = make("button", { class: "link", "aria-expanded": "false" }, `Show all ${names.length} parameters`);
    all.addEventListener("click", () => {
      const open = card.classList.toggle("all");
      all.setAttribute("aria-expanded", open);
      all.textContent = open ? "Show what differs" : `Show all ${names.length} parameters`;
    });
    card.append(all);
  }
  scroll.hidden = !names.length;
  let shown = null;
  return (t) => {
    const robots = recordings.map((r) => robotAt(r, t)), fresh = robots.map((robot) => robot.time > 0 && t - robot.time < 2);
    const state = JSON.stringify([robots.map((robot) => robot.time), fresh]);
    if (state === shown) return;
    shown = state;
    for (const [name, values] of cells) values.forEach((cell, i) => {
      const now = robots[i].changed[name], at = recordings[i].robots.indexOf(robots[i]);
      const was = at > 0 ? recordings[i].robots[at - 1].changed[name] : now;
      const exists = recordings[i].parameters.some((p) => p.name === name);
      cell.textContent = now !== undefined ? short(now) : exists ? "nominal" : "–";
      cell.classList.toggle("changed", now !== undefined);
      cell.classList.toggle("fresh", fresh[i] && now !== was);
    });
  };
}

// The note, the summary and the curves: what was found out, beside the replay. Returns the plots.
function buildResults(data) {
  if (data.summary?.note) { element("note").textContent = data.summary.note; element("note").hidden = false; }
  if (data.summary?.rows.length) element("more").append(table("Summary", data.summary.columns, data.summary.rows));
  const groups = groupBy(data.curves, (c) => c.xlabel + "\n" + c.ylabel);
  const plots = [...groups.values()].map(curvePlot);
  element("more").append(...plots.map((c) => c.node));
  const notes = data.recordings.flatMap((r) => r.notes.map((note) => (data.recordings.length > 1 ? `${r.label}: ${note}` : note)));
  element("notes").append(...[...new Set(notes)].map((note) => make("li", {}, note)));
  element("notes").hidden = !notes.length;
  return plots;
}

// Curves of one kind; where they know other quantities to be drawn over, such as robot time, a list to choose from.
function curvePlot(group) {
  const { xlabel, ylabel } = group[0], others = [...new Set(group.flatMap((c) => Object.keys(c.also)))];
  const over = (name) => (name === xlabel ? group : group.filter((c) => name in c.also).map((c) => ({ ...c, x: c.also[name] })));
  const plot = linePlot({ title: ylabel || "Curve", lines: group, xlabel, height: 210 });
  if (others.length) {
    const select = make("select", { "aria-label": "Quantity across" }, ...[xlabel, ...others].map((name) => make("option", { value: name }, "over " + name)));
    select.addEventListener("change", () => { plot.setLines(over(select.value), select.value); plot.draw(); });
    plot.legend.before(select);
  }
  return plot;
}

function groupBy(items, of) {
  const groups = new Map();
  for (const item of items) groups.set(of(item), [...(groups.get(of(item)) || []), item]);
  return groups;
}
