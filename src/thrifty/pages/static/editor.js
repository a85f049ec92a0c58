// Labelling one frame: keys, buttons, and saving. Whatever is drawn is kept as a draft at once; only "done" makes it a label.

import { Boxes, clamp } from "./boxes.js";
import { Stage } from "./stage.js";

const SAVE_AFTER = 300; // milliseconds
const IDLE_AFTER = 60; // seconds without a move that do not count as labelling

const page = document.querySelector("[data-frame]");
const status = document.querySelector("#status");
const list = document.querySelector("#boxes");
const frame = await (await fetch(page.dataset.frame)).json();

const read = ({ box, class: kind, ignore }) => ({ left: box[0], top: box[1], right: box[2], bottom: box[3], class: kind, ignore });
const written = (box) => ({ box: [box.left, box.top, box.right, box.bottom], class: box.class, ignore: box.ignore });

const boxes = new Boxes(frame.boxes.map(read), frame.width, frame.height);
const stage = new Stage(document.querySelector("#pane"), document.querySelector("#stage"), boxes, frame.classes, (isChanged) => show(isChanged));

// -- time ---------------------------------------------------------------------------------------------------------

let seconds = frame.seconds;
let last = performance.now();

function tick() {
  const now = performance.now();
  const passed = (now - last) / 1000;
  if (document.visibilityState === "visible" && passed < IDLE_AFTER) seconds += passed;
  last = now;
}
for (const event of ["pointermove", "keydown", "visibilitychange"]) document.addEventListener(event, tick, { passive: true });

// -- saving -------------------------------------------------------------------------------------------------------

let timer = 0;
let pending = Promise.resolve();

async function put(url, keepalive = false) {
  tick();
  const body = JSON.stringify({ boxes: boxes.all.map(written), seconds });
  const answer = await fetch(url, { method: "PUT", headers: { "Content-Type": "application/json" }, body, keepalive });
  if (!answer.ok) throw new Error((await answer.text()).trim());
}

// One after the other: an older state must not arrive last.
function save() {
  clearTimeout(timer);
  timer = 0;
  pending = pending.then(() => put(frame.draft)).then(
    () => say("draft saved"),
    (error) => say(`not saved: ${error.message}; it is tried again with the next change`, true),
  );
  return pending;
}

function show(isChanged) {
  stage.draw();
  describe();
  if (!isChanged) return;
  say("saving");
  clearTimeout(timer);
  timer = setTimeout(save, SAVE_AFTER);
}

// Whoever closes the page within those milliseconds loses nothing either.
addEventListener("pagehide", () => {
  if (timer) put(frame.draft, true).catch(() => {});
});

async function done() {
  clearTimeout(timer);
  timer = 0;
  await pending;
  try {
    await put(frame.label);
    location.assign(frame.next ?? frame.batch);
  } catch (error) {
    say(`not saved: ${error.message}`, true);
  }
}

function say(message, isWrong = false) {
  status.textContent = message;
  status.classList.toggle("wrong", isWrong);
}

function describe() {
  const kinds = new Map();
  for (const box of boxes.all) {
    const name = box.ignore ? "ignore" : frame.classes[box.class];
    kinds.set(name, (kinds.get(name) ?? 0) + 1);
  }
  list.textContent = [...kinds].map(([name, count]) => `${count} ${name}`).join(", ") || "nothing in it";
  document.querySelectorAll("[data-class]").forEach((button) => {
    button.setAttribute("aria-pressed", String(Number(button.dataset.class) === (boxes.current?.class ?? stage.newClass)));
  });
  for (const [name, isPossible] of [["undo", boxes.canUndo], ["redo", boxes.canRedo], ["remove", boxes.current], ["ignore", boxes.current]]) {
    document.querySelector(`[data-do="${name}"]`).disabled = !isPossible;
  }
}

// -- what can be done ---------------------------------------------------------------------------------------------

function create() {
  const { width, height } = frame;
  const side = { width: width / 10, height: height / 5 };
  const { scrollLeft, scrollTop, clientWidth, clientHeight } = stage.pane;
  const x = clamp((scrollLeft + clientWidth / 2) / stage.scale, side.width / 2, width - side.width / 2);
  const y = clamp((scrollTop + clientHeight / 2) / stage.scale, side.height / 2, height - side.height / 2);
  const corners = { left: x - side.width / 2, right: x + side.width / 2, top: y - side.height / 2, bottom: y + side.height / 2 };
  return boxes.add({ ...corners, class: stage.newClass, ignore: false });
}

function take(given, what) {
  const count = boxes.addAll(given.map(read));
  say(count ? `${count} boxes of ${what}` : `${what} has no boxes that are not here already`);
  return count > 0;
}

function classify(kind) {
  if (kind >= frame.classes.length) return false;
  stage.newClass = kind;
  return boxes.change({ class: kind, ignore: false });
}

const move = (right, down) => () => boxes.move(right, down);
const resize = (side, by) => () => boxes.current !== null && boxes.change({ [side]: boxes.current[side] + by });
const see = (steps) => () => (stage.zoom(steps), false);
const choose = (step) => () => (boxes.select(step), stage.reveal(), false);
const go = (url) => () => (url && location.assign(url), false);

const actions = {
  create,
  remove: () => boxes.remove(),
  undo: () => boxes.undo(),
  redo: () => boxes.redo(),
  ignore: () => boxes.current !== null && boxes.change({ ignore: !boxes.current.ignore }),
  model: () => take(frame.model, "the detector"),
  copy: () => take(frame.copied, "the frame before"),
  closer: see(1),
  farther: see(-1),
  whole: see(0),
  done: () => (done(), false),
  next: go(frame.next),
  previous: go(frame.previous),
};

// The corner that an arrow moves: with shift the lower right one, with alt the upper left one.
const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const keys = {
  n: "create",
  Delete: "remove",
  Backspace: "remove",
  x: "remove",
  i: "ignore",
  m: "model",
  c: "copy",
  "+": "closer",
  "=": "closer",
  "-": "farther",
  0: "whole",
  Enter: "done",
  PageDown: "next",
  PageUp: "previous",
};

function asked(event) {
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === "z") return event.shiftKey ? actions.redo : actions.undo;
  if (command && event.key.toLowerCase() === "y") return actions.redo;
  const arrow = arrows[event.key];
  if (arrow) {
    const [right, down] = arrow.map((step) => step * (command ? 10 : 1));
    if (event.shiftKey) return right ? resize("right", right) : resize("bottom", down);
    if (event.altKey) return right ? resize("left", right) : resize("top", down);
    return move(right, down);
  }
  if (command || event.altKey) return null;
  if (event.key === "j") return choose(1);
  if (event.key === "k") return choose(-1);
  if (event.key === "Escape") return () => ((boxes.selected = -1), false);
  if (/^[1-9]$/.test(event.key)) return () => classify(Number(event.key) - 1);
  return actions[keys[event.key]] ?? null;
}

document.addEventListener("keydown", (event) => {
  // Buttons and links keep the keys that press them.
  if (event.key === "Enter" && event.target.closest("button, a, summary")) return;
  const act = asked(event);
  if (!act) return;
  event.preventDefault();
  show(act());
  stage.reveal();
});
document.querySelectorAll("[data-do]").forEach((button) => {
  button.addEventListener("click", () => show(actions[button.dataset.do]()));
});
document.querySelectorAll("[data-class]").forEach((button) => {
  button.addEventListener("click", () => show(classify(Number(button.dataset.class))));
});

show(false);
say(frame.state);
