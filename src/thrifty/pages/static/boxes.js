// The boxes of one frame and every state they have been in. Corners are in pixels of the stored frame, as labels are.

const SMALLEST = 2;

export class Boxes {
  #states;
  #now = 0;

  constructor(boxes, width, height) {
    this.width = width;
    this.height = height;
    this.selected = -1;
    this.#states = [freeze(boxes)];
  }

  get all() {
    return this.#states[this.#now];
  }

  get current() {
    return this.all[this.selected] ?? null;
  }

  get canUndo() {
    return this.#now > 0;
  }

  get canRedo() {
    return this.#now < this.#states.length - 1;
  }

  add(box) {
    const fitting = this.#within(box);
    if (!fitting) return false;
    this.#become([...this.all, fitting]);
    this.selected = this.all.length - 1;
    return true;
  }

  // What is already there to the pixel is not put there twice, so a key that is pressed again does no harm.
  addAll(boxes) {
    const known = new Set(this.all.map(key));
    const fresh = boxes.map((box) => this.#within(box)).filter((box) => box && !known.has(key(box)));
    if (fresh.length) this.#become([...this.all, ...fresh]);
    return fresh.length;
  }

  change(changes) {
    if (!this.current) return false;
    const changed = this.#within({ ...this.current, ...changes });
    if (!changed || key(changed) === key(this.current)) return false;
    this.#become(this.all.map((box, index) => (index === this.selected ? changed : box)));
    return true;
  }

  // Moved as a whole, a box stops at the frame's edge and keeps its size.
  move(right, down) {
    const box = this.current;
    if (!box) return false;
    const x = clamp(right, -box.left, this.width - box.right);
    const y = clamp(down, -box.top, this.height - box.bottom);
    return this.change({ left: box.left + x, right: box.right + x, top: box.top + y, bottom: box.bottom + y });
  }

  remove() {
    if (!this.current) return false;
    const place = this.selected;
    this.#become(this.all.filter((_, index) => index !== place));
    this.selected = Math.min(place, this.all.length - 1);
    return true;
  }

  // -1 is no box; from there one gets to the first or the last.
  select(step) {
    const count = this.all.length;
    if (!count) return;
    const from = this.selected < 0 && step < 0 ? 0 : this.selected;
    this.selected = (from + step + count) % count;
  }

  // The smallest box at a place, so that one inside another can be reached.
  at(x, y) {
    let best = -1;
    this.all.forEach((box, index) => {
      const inside = x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
      if (inside && (best < 0 || area(box) < area(this.all[best]))) best = index;
    });
    return best;
  }

  undo() {
    return this.#go(-1);
  }

  redo() {
    return this.#go(1);
  }

  #go(step) {
    const next = this.#now + step;
    if (!this.#states[next]) return false;
    this.#now = next;
    this.selected = Math.min(this.selected, this.all.length - 1);
    return true;
  }

  #become(boxes) {
    this.#states = [...this.#states.slice(0, this.#now + 1), freeze(boxes)];
    this.#now = this.#states.length - 1;
  }

  #within(box) {
    const [left, right] = ordered(box.left, box.right).map((x) => clamp(x, 0, this.width));
    const [top, bottom] = ordered(box.top, box.bottom).map((y) => clamp(y, 0, this.height));
    if (right - left < SMALLEST || bottom - top < SMALLEST) return null;
    return { ...box, left, top, right, bottom };
  }
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const ordered = (one, other) => (one < other ? [one, other] : [other, one]);
const area = (box) => (box.right - box.left) * (box.bottom - box.top);
const key = (box) => [box.left, box.top, box.right, box.bottom, box.class, box.ignore].join(" ");
const freeze = (boxes) => Object.freeze(boxes.map((box) => Object.freeze({ ...box })));
