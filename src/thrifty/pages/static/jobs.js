// Commands from the page: given as forms, followed until they are done.

const EVERY = 700; // milliseconds

const forms = document.querySelectorAll("[data-command]");
const box = document.querySelector("#job");
const said = document.querySelector("#job-said");
const bars = document.querySelector("#job-bars");
const stop = document.querySelector("#job-stop");
let given = 0;

async function ask(method, order) {
  const content = order && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(order) };
  const answer = await fetch("/api/job", { method, ...content });
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return method === "GET" ? answer.json() : null;
}

function orderOf(form) {
  const order = { command: form.dataset.command };
  for (const field of form.elements) {
    if (!field.name || field.value === "") continue;
    order[field.name] = field.type === "checkbox" ? field.checked : field.type === "number" ? Number(field.value) : field.value;
  }
  return order;
}

function show(state) {
  box.hidden = state.number === 0;
  box.dataset.state = state.running ? "running" : "done";
  said.classList.toggle("wrong", state.failure !== null);
  said.textContent = state.running
    ? `${state.command} is at work, ${Math.round(state.seconds)} s`
    : `${state.command}: ${state.failure ?? state.said.join("; ")}`;
  bars.replaceChildren(...(state.running ? state.bars.map(bar) : []));
  stop.hidden = !state.running;
  for (const form of forms) form.querySelector("button").disabled = state.running;
}

function bar({ what, done, total, unit }) {
  const line = document.createElement("label");
  const progress = document.createElement("progress");
  if (total) [progress.max, progress.value] = [total, done];
  line.append(`${what}${total ? `, ${done} of ${total} ${unit}` : ""} `, progress);
  return line;
}

function complain(error) {
  box.hidden = false;
  said.classList.add("wrong");
  said.textContent = error.message;
}

async function follow() {
  const turn = given;
  let state = await ask("GET");
  const wasRunning = state.running;
  while (state.running && turn === given) {
    show(state);
    await new Promise((resolve) => setTimeout(resolve, EVERY));
    state = await ask("GET");
  }
  // Another command was given meanwhile, and whoever follows that one tells of it.
  if (turn !== given) return;
  // What stands on the page has changed; what was done is told once it is there anew.
  if (wasRunning) location.reload();
  else show(state);
}

forms.forEach((form) => {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    given += 1;
    box.dataset.state = "given";
    ask("POST", orderOf(form)).then(follow).catch(complain);
  });
});
stop.addEventListener("click", () => ask("DELETE").catch(complain));
follow().catch(complain);
