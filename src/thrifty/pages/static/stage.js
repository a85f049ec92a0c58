// The frame with its boxes, to look at and to draw on: an SVG in the frame's own pixels, which scrolls inside its pane.

import { clamp } from "./boxes.js";

const SVG = "http://www.w3.org/2000/svg";
const HANDLE = 5; // half its side, pixels of the screen
const NEAR = 9;
const COLOURS = 6;
const MOST = 16;
const CORNERS = [
  ["left", "top"],
  ["right", "top"],
  ["right", "bottom"],
  ["left", "bottom"],
];

export class Stage {
  #drag = null;
  #zoom = 1;

  constructor(pane, svg, boxes, classes, changed) {
    Object.assign(this, { pane, svg, boxes, classes, changed, newClass: 0, isOverlaid: true });
    this.layer = svg.querySelector("g");
    svg.addEventListener("pointerdown", (event) => this.#begin(event));
    svg.addEventListener("pointermove", (event) => this.#follow(event));
    svg.addEventListener("pointerup", (event) => this.#end(event));
    svg.addEventListener("pointercancel", () => this.#cancel());
    pane.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    new ResizeObserver(() => this.draw()).observe(pane);
    this.zoom(0);
  }

  // Pixels of the screen to a pixel of the frame.
  get scale() {
    return (this.pane.clientWidth / this.boxes.width) * this.#zoom;
  }

  zoom(steps, x = this.pane.clientWidth / 2, y = this.pane.clientHeight / 2) {
    const before = this.#zoom;
    this.#zoom = steps === 0 ? 1 : clamp(before * 1.25 ** steps, 1, MOST);
    // What is under the pointer stays under it.
    const left = ((this.pane.scrollLeft + x) * this.#zoom) / before - x;
    const top = ((this.pane.scrollTop + y) * this.#zoom) / before - y;
    this.svg.style.width = `${100 * this.#zoom}%`;
    this.pane.scrollTo(left, top);
    this.draw();
  }

  draw() {
    const size = 1 / this.scale;
    const drawn = this.boxes.all.map((box, index) => this.#box(box, index, size));
    const handles = this.boxes.current ? this.#handles(this.boxes.current, size) : [];
    const begun = this.#drag?.kind === "new" ? [this.#rectangle(this.#drag, "begun", size)] : [];
    this.layer.replaceChildren(...drawn, ...handles, ...begun);
  }

  reveal() {
    const box = this.boxes.current;
    if (!box) return;
    const middle = [((box.left + box.right) / 2) * this.scale, ((box.top + box.bottom) / 2) * this.scale];
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.pane;
    const isSeen =
      Math.abs(middle[0] - scrollLeft - clientWidth / 2) < clientWidth / 2 &&
      Math.abs(middle[1] - scrollTop - clientHeight / 2) < clientHeight / 2;
    if (!isSeen) this.pane.scrollTo(middle[0] - clientWidth / 2, middle[1] - clientHeight / 2);
  }

  #box(box, index, size) {
    const group = element("g", {
      class: ["box", `series-${box.class % COLOURS}`, box.ignore && "ignored", index === this.boxes.selected && "selected"]
        .filter(Boolean)
        .join(" "),
    });
    const text = element("text", { x: box.left + 3 * size, y: Math.max(box.top - 4 * size, 12 * size), "font-size": 12 * size });
    text.textContent = box.ignore ? "ignore" : this.classes[box.class];
    group.append(this.#rectangle(box, "", size), text);
    return group;
  }

  #rectangle(box, kind, size) {
    const [left, right] = [Math.min(box.left, box.right), Math.max(box.left, box.right)];
    const [top, bottom] = [Math.min(box.top, box.bottom), Math.max(box.top, box.bottom)];
    return element("rect", {
      class: kind,
      x: left,
      y: top,
      width: right - left,
      height: bottom - top,
      "stroke-width": 2 * size,
    });
  }

  #handles(box, size) {
    return CORNERS.map(([x, y]) =>
      element("rect", {
        class: "handle",
        x: box[x] - HANDLE * size,
        y: box[y] - HANDLE * size,
        width: 2 * HANDLE * size,
        height: 2 * HANDLE * size,
        "stroke-width": size,
      }),
    );
  }

  #place(event) {
    const frame = this.svg.getBoundingClientRect();
    return [
      clamp(((event.clientX - frame.left) / frame.width) * this.boxes.width, 0, this.boxes.width),
      clamp(((event.clientY - frame.top) / frame.height) * this.boxes.height, 0, this.boxes.height),
    ];
  }

  // On a corner of the selected box one resizes it, on an edge of it too; inside of it one moves it; elsewhere a click
  // selects and a drag draws. With shift a drag draws wherever it begins, so boxes inside others can be drawn.
  #begin(event) {
    if (event.button !== 0) return;
    this.pane.focus();
    this.svg.setPointerCapture(event.pointerId);
    const [x, y] = this.#place(event);
    const box = event.shiftKey ? null : this.boxes.current;
    const sides = box ? this.#sides(box, x, y) : [];
    if (sides.length) this.#drag = { kind: "resize", sides, x, y, from: box };
    else if (box && this.boxes.at(x, y) === this.boxes.selected) this.#drag = { kind: "move", x, y, from: box };
    else this.#drag = { kind: "new", left: x, top: y, right: x, bottom: y, class: this.newClass };
  }

  #sides(box, x, y) {
    const near = NEAR / this.scale;
    if (x < box.left - near || x > box.right + near || y < box.top - near || y > box.bottom + near) return [];
    const sides = [];
    for (const [one, other, value] of [["left", "right", x], ["top", "bottom", y]]) {
      const side = Math.abs(value - box[one]) < Math.abs(value - box[other]) ? one : other;
      // A small box has room inside to be moved by.
      const reach = Math.min(near, (box[other] - box[one]) / 4);
      if (Math.abs(value - box[side]) < Math.max(reach, 2 / this.scale)) sides.push(side);
    }
    return sides;
  }

  #follow(event) {
    if (!this.#drag) return;
    const [x, y] = this.#place(event);
    if (this.#drag.kind === "new") Object.assign(this.#drag, { right: x, bottom: y });
    else this.#drag.to = [x, y];
    this.#preview();
  }

  #preview() {
    this.draw();
    if (!this.#drag?.to) return;
    const shape = this.layer.querySelector(".selected rect");
    const box = this.#dragged();
    const [left, top] = [Math.min(box.left, box.right), Math.min(box.top, box.bottom)];
    const sizes = { x: left, y: top, width: Math.abs(box.right - box.left), height: Math.abs(box.bottom - box.top) };
    for (const [name, value] of Object.entries(sizes)) shape?.setAttribute(name, value);
    this.layer.querySelectorAll(".handle").forEach((handle) => handle.remove());
  }

  #dragged() {
    const { kind, sides, x, y, from, to } = this.#drag;
    const [right, down] = [to[0] - x, to[1] - y];
    if (kind === "move") {
      const across = clamp(right, -from.left, this.boxes.width - from.right);
      const along = clamp(down, -from.top, this.boxes.height - from.bottom);
      return {
        ...from,
        left: from.left + across,
        right: from.right + across,
        top: from.top + along,
        bottom: from.bottom + along,
      };
    }
    const changed = { ...from };
    for (const side of sides) changed[side] += side === "left" || side === "right" ? right : down;
    return changed;
  }

  #end(event) {
    const drag = this.#drag;
    if (!drag) return;
    let isChanged = false;
    if (drag.kind === "new") {
      const wide = Math.abs(drag.right - drag.left) * this.scale;
      const tall = Math.abs(drag.bottom - drag.top) * this.scale;
      if (wide < 4 && tall < 4) this.boxes.selected = this.boxes.at(...this.#place(event));
      else isChanged = this.boxes.add({ ...pick(drag), class: drag.class, ignore: false });
    } else if (drag.to) {
      isChanged = this.boxes.change(pick(this.#dragged()));
    } else {
      this.boxes.selected = this.boxes.at(drag.x, drag.y);
    }
    this.#drag = null;
    this.draw();
    this.changed(isChanged);
  }

  #cancel() {
    this.#drag = null;
    this.draw();
  }

  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const pane = this.pane.getBoundingClientRect();
    this.zoom(event.deltaY < 0 ? 1 : -1, event.clientX - pane.left, event.clientY - pane.top);
  }
}

const pick = ({ left, top, right, bottom }) => ({ left, top, right, bottom });

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
