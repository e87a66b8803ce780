// Buttons and keys. `player` is what they act on; see player.js.

const CAMERA_HELP = { h: ["turn the view left, right, up, down", "H K U J"], i: ["nearer, farther", "I B"] }; // a line a group
const CAMERAS = { 1: "follow", 2: "orbit", 3: "above" };

function wire(player) {
  const on = (id, type, action) => element(id).addEventListener(type, action);
  on("play", "click", player.toggle);
  on("back", "click", () => player.step(-1));
  on("forward", "click", () => player.step(1));
  on("slider", "input", () => player.scrub(Number(element("slider").value)));
  on("fall-back", "click", () => player.jump("falls", -1));
  on("fall-forward", "click", () => player.jump("falls", 1));
  on("change-back", "click", () => player.jump("changes", -1));
  on("change-forward", "click", () => player.jump("changes", 1));
  on("mode", "change", () => player.setMode(element("mode").value));
  on("camera", "change", () => player.setCamera(element("camera").value));
  on("recentre", "click", () => player.scene?.reset());
  on("speed", "change", () => memory.set("speed", element("speed").value));
  on("loop", "change", () => memory.set("loop", element("loop").checked));
  on("keys", "click", toggleHelp);
  element("loop").checked = memory.get("loop", false);
  element("speed").value = memory.get("speed", "1");
  if (element("speed").selectedIndex < 0) element("speed").value = "1";

  const faster = (by) => {
    const speed = element("speed"), next = Math.min(speed.length - 1, Math.max(0, speed.selectedIndex + by));
    speed.selectedIndex = next;
    memory.set("speed", speed.value);
  };
  const keys = new Map([
    [" ", [player.toggle, "play, pause", "space"]],
    [",", [() => player.step(-1), "one frame back, on", ", ."]],
    [".", [() => player.step(1)]],
    ["ArrowLeft", [(shift) => (shift ? player.seek(player.time - 1) : player.step(-1)), "the same; with Shift one second", "← →"]],
    ["ArrowRight", [(shift) => (shift ? player.seek(player.time + 1) : player.step(1))]],
    ["Home", [() => player.seek(0), "beginning, end", "Home End"]],
    ["End", [() => player.seek(player.duration)]],
    ["f", [() => player.jump("falls", 1), "next fall; with Shift the one before", "F"]],
    ["F", [() => player.jump("falls", -1)]],
    ["n", [() => player.jump("changes", 1), "next parameter change; with Shift the one before", "N"]],
    ["N", [() => player.jump("changes", -1)]],
    ["-", [() => faster(-1), "slower, faster", "− +"]],
    ["+", [() => faster(1)]],
    ["=", [() => faster(1)]],
    ["l", [() => element("loop").click(), "loop", "L"]],
    ["g", [player.toggleMode, "ghosts or side by side", "G"]],
    ["1", [() => player.setCamera(CAMERAS[1]), "camera follows, stays, looks from above", "1 2 3"]],
    ["2", [() => player.setCamera(CAMERAS[2])]],
    ["3", [() => player.setCamera(CAMERAS[3])]],
    ["c", [() => player.scene?.reset(), "reset the view", "C"]],
    ...Object.entries(CAMERA_KEYS).map(([key, act]) => [key, [() => player.scene && act(player.scene), ...(CAMERA_HELP[key] || [])]]),
    ...Object.entries(LAYERS).map(([name, layer]) => [layer.key, [() => player.toggleLayer(name), layer.label.toLowerCase(), layer.key.toUpperCase()]]),
    ["?", [toggleHelp, "this list", "?"]],
  ]);
  for (const [, what, label] of keys.values()) {
    if (what) element("key-list").append(make("dt", {}, ...label.split(" ").map((k) => make("kbd", {}, k))), make("dd", {}, what));
  }
  // A button clicked with the mouse must not catch the space bar afterwards.
  document.addEventListener("mousedown", (event) => { if (event.target.closest("main button")) event.preventDefault(); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys.has(event.key)) return;
    if (element("help").open && event.key !== "?") return;
    const onControl = event.target.closest("button, select, summary, input[type=checkbox]");
    if (onControl && (event.key === " " || event.target.matches("select"))) return; // the control's own
    if (event.target.closest(".scroll") && ["Home", "End"].includes(event.key)) return;
    event.preventDefault();
    keys.get(event.key)[0](event.shiftKey);
  });
}

function toggleHelp() {
  const help = element("help");
  if (help.open) help.close(); else help.showModal();
}

// A button for each layer that any recording has; pressed where it is shown, which the browser remembers.
function buildLayerButtons(recordings, set) {
  const remembered = memory.get("layers", {}), forces = recordings.some((r) => r.load);
  for (const [name, layer] of Object.entries(LAYERS)) {
    if (!recordings.some((r) => r.bodies.length && layer.has(r))) continue;
    const plain = name === "contacts" && !forces; // nothing measures the force
    const label = plain ? "Contacts" : layer.label, hint = plain ? "feet that touch the ground; the robot has no sensors of their forces" : layer.hint;
    const button = make("button", { "aria-pressed": "false", "data-layer": name, title: `${label}: ${hint} (${layer.key.toUpperCase()})` }, label);
    button.addEventListener("click", () => set(name, button.getAttribute("aria-pressed") !== "true"));
    element("recentre").before(button);
    set(name, remembered[name] ?? layer.on);
  }
}

function pressLayer(name, on) {
  document.querySelector(`[data-layer=${name}]`)?.setAttribute("aria-pressed", on);
  memory.set("layers", { ...memory.get("layers", {}), [name]: on });
  if (name === "velocity") element("arrows").hidden = !on || !element("message").hidden;
}
