// SPDX-License-Identifier: Apache-2.0
// Lists generations and plays their videos. Everything that comes from outside is put in as text, never as markup.
"use strict";

const SCOPE = ["dag_id", "run_id", "task_id", "map_index"];
const $ = (id) => document.getElementById(id);
const scope = readScope(location.search);
let after = null;
let latest = 0;
let linkSeconds = 300;

// A list may be long, and each poster asks a store.
const nearby = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    nearby.unobserve(target);
    target.poster = target.dataset.poster;
  }
}, { rootMargin: "200px" });

// Airflow fills the placeholders of the address in, except those that it doesn't know; it leaves a "+" as it is.
function readScope(search) {
  const given = new URLSearchParams(search);
  const found = {};
  for (const name of SCOPE) {
    const value = given.get(name);
    if (value && !/^\{.*\}$/.test(value)) found[name] = value.replaceAll(" ", "+");
  }
  return found;
}

function followTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let airflow = null;
  try {
    if (parent !== window) airflow = parent.document.documentElement;
  } catch {
    // Another origin: the system's own preference it is.
  }
  const follow = () => {
    const dark = airflow ? airflow.classList.contains("dark") : system.matches;
    document.documentElement.classList.toggle("dark", dark);
  };
  follow();
  system.addEventListener("change", follow);
  if (airflow) new MutationObserver(follow).observe(airflow, { attributeFilter: ["class"] });
}

function address(path, values) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  return `${path}?${query}`;
}

async function load(older) {
  const turn = ++latest;
  const filters = Object.fromEntries(new FormData($("filters")));
  if (!older) after = null;
  $("status").textContent = "Loading …";
  $("more").disabled = true;
  try {
    const answer = await fetch(address("api/generations", { ...filters, ...scope, after }));
    if (!answer.ok) throw new Error(await explain(answer));
    const found = await answer.json();
    // A later filter has overtaken this answer.
    if (turn !== latest) return;
    if (found.dags) offer(found.dags);
    linkSeconds = found.link_seconds;
    if (!older) $("generations").replaceChildren();
    const first = $("generations").children.length;
    for (const generation of found.generations) $("generations").append(card(generation));
    after = found.after;
    $("more").hidden = !after;
    const shown = $("generations").children.length;
    $("status").textContent = shown
      ? `${shown} generation${shown > 1 ? "s" : ""} shown${after ? ", there may be older ones" : ""}`
      : `No generations here${after ? " yet: look among older ones" : ""}`;
    // Whoever uses a keyboard goes on where the new ones begin; a button that is off loses the focus.
    $("more").disabled = false;
    const next = $("generations").children[first]?.querySelector("video, a");
    if (older) (next ?? $(after ? "more" : "status")).focus();
  } catch (error) {
    if (turn === latest) $("status").textContent = `The list can't be loaded: ${error.message}`;
  } finally {
    $("more").disabled = false;
  }
}

async function explain(answer) {
  if (answer.status === 401) return "you are no longer logged in";
  if (answer.status === 403 || answer.status === 404) return "there is nothing here that you may see";
  return `Airflow answers ${answer.status}`;
}

function offer(dags) {
  const select = $("filters").elements.dag_id;
  const chosen = select.value;
  select.replaceChildren(select.options[0], ...dags.map((dag) => new Option(dag, dag)));
  select.value = dags.includes(chosen) ? chosen : "";
}

function card(generation) {
  const item = $("generation").content.cloneNode(true);
  const asked = generation.request;
  const state = item.querySelector(".state");
  state.textContent = generation.state;
  state.classList.add(generation.state);
  item.querySelector(".prompt").textContent = asked.prompt ?? "(prompt unknown)";
  const said = generation.state === "succeeded" && !generation.filtered ? null : generation.message;
  item.querySelector(".message").textContent = [generation.reason, said].filter(Boolean).join(": ");
  for (const video of generation.stored) item.querySelector(".videos").append(player(video, asked.prompt));
  const facts = item.querySelector("dl");
  for (const [name, value] of Object.entries(describe(generation))) add(facts, name, value);
  return item;
}

function describe(generation) {
  const asked = generation.request;
  const size = generation.stored.reduce((sum, video) => sum + video.size, 0);
  const shape = [asked.aspect_ratio, asked.resolution].filter(Boolean).join(", ");
  const sound = asked.generate_audio === undefined ? "" : asked.generate_audio ? ", sound" : ", no sound";
  return {
    Model: asked.model,
    Length: asked.duration_seconds && `${asked.duration_seconds} s${asked.sample_count > 1 ? ` × ${asked.sample_count}` : ""}`,
    Picture: shape && shape + sound,
    Seed: asked.seed,
    Cost: generation.cost_usd === null ? "unknown" : `$${generation.cost_usd.toFixed(2)} (estimate)`,
    Stored: size ? [`${(size / 1e6).toFixed(2)} MB`, ...new Set(generation.stored.map(made))].filter(Boolean).join("; ") : undefined,
    Filtered: generation.filtered ? `${generation.filtered} by a safety filter` : undefined,
    ...times(generation),
    Status: generation.status,
    Generation: generation.generation_id,
    "DAG run": runLink(generation),
  };
}

// What a file really is, where a transfer has looked.
function made({ media }) {
  if (!media.width) return "";
  const facts = [`${media.width} × ${media.height}`];
  if (media.seconds) facts.push(`${media.seconds} s`);
  if (media.frame_rate) facts.push(`${media.frame_rate} fps`);
  facts.push(media.audio ? "sound" : "no sound");
  return facts.join(", ");
}

function times(generation) {
  const from = Date.parse(generation.submitted_at);
  const until = Date.parse(generation.ended_at);
  if (Number.isNaN(from)) return {};
  const began = new Date(from).toLocaleString();
  if (generation.state === "waiting") return { Submitted: began, Waiting: lasting(Date.now() - from) };
  return { Submitted: began, Took: Number.isNaN(until) ? undefined : lasting(until - from) };
}

function lasting(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function runLink({ dag_id, run_id, task_id, map_index }) {
  const link = document.createElement("a");
  const place = [`dags/${encodeURIComponent(dag_id)}/runs/${encodeURIComponent(run_id)}/tasks/${encodeURIComponent(task_id)}`];
  if (map_index >= 0) place.push(`mapped/${map_index}`);
  link.href = new URL(`../${place.join("/")}`, document.baseURI).href;
  link.target = "_top";
  link.textContent = `${dag_id} / ${run_id} / ${task_id}${map_index >= 0 ? ` [${map_index}]` : ""}`;
  return link;
}

function add(list, name, value) {
  if (value === undefined || value === null || value === "") return;
  const term = document.createElement("dt");
  const text = document.createElement("dd");
  term.textContent = name;
  text.append(value);
  list.append(term, text);
}

function player(video, prompt) {
  const element = document.createElement("video");
  element.controls = true;
  element.preload = "none";
  element.playsInline = true;
  element.setAttribute("aria-label", `Video ${video.index + 1}${prompt ? `: ${prompt}` : ""}`);
  element.src = videoAddress(video);
  if (video.poster) {
    element.dataset.poster = videoAddress(video, { poster: true });
    nearby.observe(element);
  }
  let linkedAt = null;
  let renewing = false;
  const died = () => linkedAt !== null && performance.now() - linkedAt > linkSeconds * 1000 - 2000;
  const renew = () => {
    if (renewing) return;
    renewing = true;
    const { currentTime, paused } = element;
    element.addEventListener("loadedmetadata", () => {
      renewing = false;
      element.currentTime = currentTime;
      if (!paused) element.play().catch(() => {});
    }, { once: true });
    element.preload = "auto";
    element.src = videoAddress(video);
  };
  element.addEventListener("loadedmetadata", () => { linkedAt = performance.now(); });
  // A browser asks a signed link that has died again and again for half a minute before it says that it can't.
  for (const name of ["seeking", "waiting", "stalled"]) {
    element.addEventListener(name, () => { if (died() && !isThere(element)) renew(); });
  }
  element.addEventListener("error", () => {
    if (died() && !renewing) renew();
    else element.replaceWith(unplayable(video));
  });
  return element;
}

function isThere({ buffered, currentTime }) {
  for (let span = 0; span < buffered.length; span += 1) {
    if (buffered.start(span) <= currentTime && currentTime + 0.5 < buffered.end(span)) return true;
  }
  return false;
}

function videoAddress({ dag_id, run_id, task_id, map_index, index }, more = {}) {
  // Another address each time: a browser would use the old link again.
  return address("api/video", { dag_id, run_id, task_id, map_index, index, at: Date.now(), ...more });
}

function unplayable(video) {
  const text = document.createElement("p");
  text.className = "gone";
  text.textContent = `${video.name} can't be played here.`;
  fetch(videoAddress(video), { redirect: "manual", headers: { Range: "bytes=0-0" } })
    .then(async (answer) => {
      if (answer.status >= 400) text.textContent += ` ${await answer.text()}.`;
    })
    .catch(() => {});
  return text;
}

function begin() {
  followTheme();
  $("by-dag").hidden = Boolean(scope.dag_id);
  $("scope").textContent = SCOPE.filter((name) => scope[name]).map((name) => scope[name]).join(" / ");
  $("filters").addEventListener("submit", (event) => {
    event.preventDefault();
    load(false);
  });
  $("filters").addEventListener("change", () => load(false));
  $("more").addEventListener("click", () => load(true));
  load(false);
}

begin();
