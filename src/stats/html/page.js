(function () {
  "use strict";
  var body = document.body, live = document.getElementById("live"), pulse = document.getElementById("pulse");
  var every = Number(body.dataset.every) || 0, running = every > 0, timer = 0, failing = false;

  function show(state, text) {
    pulse.className = state;
    pulse.textContent = text;
  }

  // Where the reader has scrolled to and what is unfolded stays.
  function place(html) {
    var open = {}, left = {};
    live.querySelectorAll("details[id]").forEach(function (d) { open[d.id] = d.open; });
    live.querySelectorAll(".scroll[id]").forEach(function (s) { left[s.id] = s.scrollLeft; });
    live.innerHTML = html;
    live.querySelectorAll("details[id]").forEach(function (d) { if (d.id in open) d.open = open[d.id]; });
    live.querySelectorAll(".scroll[id]").forEach(function (s) { if (left[s.id]) s.scrollLeft = left[s.id]; });
  }

  // The box that ticks all needs this script.
  function offer() {
    live.querySelectorAll("input.all").forEach(function (box) { box.hidden = false; });
  }

  live.addEventListener("change", function (event) {
    if (!event.target.matches("input.all")) return;
    event.target.form.querySelectorAll("input[name=s]").forEach(function (box) {
      box.checked = event.target.checked;
    });
  });

  function refresh() {
    clearTimeout(timer);
    if (!running || document.hidden) return;
    // A selection in progress would be lost under the reader's hand, and so would a form.
    if (String(getSelection()) || live.querySelector("input:checked, select:focus")) return next();
    // From the origin: an address with a login in it (user:password@host) may not be fetched from.
    fetch(location.origin + body.dataset.fragment, { cache: "no-store" }).then(function (answer) {
      if (!answer.ok) throw new Error("HTTP " + answer.status);
      return answer.text();
    }).then(function (html) {
      place(html);
      offer();
      failing = false;
      show("on", "live");
    }).catch(function () {
      if (!failing) show("lost", "no answer since " + new Date().toLocaleTimeString());
      failing = true;
    }).then(next);
  }

  function next() {
    clearTimeout(timer);
    timer = setTimeout(refresh, Math.max(every, 1) * 1000);
  }

  pulse.hidden = false;
  pulse.addEventListener("click", function () {
    running = !running;
    every = every || 2;
    show(running ? "on" : "", running ? "live" : "paused");
    refresh();
  });
  document.addEventListener("visibilitychange", refresh);

  // Titles are out of a finger's reach: a tap shows them below.
  var hint = null;
  document.addEventListener("click", function (event) {
    if (hint) hint.remove();
    hint = null;
    var titled = event.target.closest("[title]");
    if (!titled || !matchMedia("(hover: none)").matches) return;
    hint = document.createElement("div");
    hint.id = "hint";
    hint.textContent = titled.title;
    body.append(hint);
  });

  offer();
  show(running ? "on" : "", running ? "live" : "paused");
  if (running) next();
})();
