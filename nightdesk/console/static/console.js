// Renews what the page shows, every five seconds while it is in sight, and counts down. It changes nothing by itself.
"use strict";
const EVERY_MS = 5000;
let answering = false;
const status = document.getElementById("connection");

function replaceChanged(fresh) {
  for (const region of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(region.id);
    const held = region.contains(document.activeElement);
    if (next && !held && next.innerHTML !== region.innerHTML) region.replaceChildren(...document.importNode(next, true).childNodes);
  }
}

function typed() {
  return [...document.querySelectorAll("input:not([type=hidden])")].some((input) => input.value !== "");
}

async function renew() {
  if (document.hidden || answering) return;
  try {
    const answer = await fetch(location.href, {headers: {"X-Live": "1"}, redirect: "error"});
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answering) return;
    const stamp = fresh.querySelector("main").dataset.stamp;
    if (stamp !== document.querySelector("main").dataset.stamp) {
      if (!typed()) return location.reload();
      document.getElementById("changed").hidden = false;
    }
    replaceChanged(fresh);
    status.textContent = fresh.getElementById("connection").textContent;
    document.body.classList.remove("stale");
  } catch (error) {
    status.textContent = "No connection: what is shown may be old";
    document.body.classList.add("stale");
  }
  countDown();
}

function countDown() {
  for (const place of document.querySelectorAll("[data-until]")) {
    const seconds = Math.max(0, Math.floor((new Date(place.dataset.until) - Date.now()) / 1000));
    const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
    const two = (number) => String(number).padStart(2, "0");
    place.textContent = days ? `${days} d ${hours} h` : `${hours}:${two(minutes)}:${two(seconds % 60)}`;
  }
}

if (document.querySelector("[data-live]")) setInterval(renew, EVERY_MS);
if (document.querySelector("[data-until]")) setInterval(countDown, 1000);
document.addEventListener("visibilitychange", () => document.querySelector("[data-live]") && renew());
// an answer is on its way and may take a while: a renewal would lose what is said to it
document.addEventListener("submit", () => { answering = true; });
