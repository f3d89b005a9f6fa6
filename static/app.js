// The console's own behaviour. Everything here is an addition: run, approve, reject, cancel and sign-in are plain forms.
"use strict";

(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Theme switch, remembered in this browser.
  const themeSwitch = $("[data-theme-switch]");
  if (themeSwitch) {
    themeSwitch.hidden = false;
    themeSwitch.addEventListener("click", () => {
      const root = document.documentElement;
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      try { localStorage.setItem("interlock-theme", root.dataset.theme); } catch { /* not remembered then */ }
    });
  }

  // The palette: jobs by name, runs by number. The server finds; Enter takes the first, arrows and Tab reach the others.
  const palette = $("#find");
  const query = $("#find-q");
  const openPalette = () => {
    if (palette.open) return;
    palette.showModal();
    query.select();
    query.dispatchEvent(new Event("find-open"));
  };
  if (palette) {
    const opener = $("[data-find-open]");
    opener.hidden = false;
    opener.addEventListener("click", openPalette);
    let hurried = false;
    // Who types on and presses Enter at once means what was typed, not what the list still shows.
    const take = () => {
      hurried = $("[data-found]", palette)?.dataset.asked !== query.value.trim();
      if (!hurried) $("a", palette)?.click();
    };
    query.addEventListener("input", () => { hurried = false; });
    palette.addEventListener("htmx:afterSwap", () => { if (hurried) take(); });
    palette.addEventListener("close", () => { hurried = false; });
    palette.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target === query) { event.preventDefault(); take(); return; }
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      const stops = [query, ...$$("a", palette)];
      event.preventDefault();
      stops[(stops.indexOf(document.activeElement) + step + stops.length) % stops.length].focus();
    });
    // A press beside the palette closes it.
    palette.addEventListener("click", (event) => { if (event.target === palette) palette.close(); });
  }

  // Keys: "/" searches, "g j" and its like go to a page, "?" shows the list. Never while somebody types.
  let pending = "";
  document.addEventListener("keydown", (event) => {
    if (palette && event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      openPalette();
      return;
    }
    // The editor's view is a shadow tree, whose host is all that the event's own target tells.
    const typing = event.composedPath()[0].closest?.("input, textarea, select, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      const search = $("[data-search]");
      event.preventDefault();
      if (search) search.focus(); else if (palette) openPalette();
      return;
    }
    if (event.key === "?") { $("#keys-help")?.showModal(); return; }
    const combo = pending + event.key;
    const link = $$("[data-hotkey]").find((a) => a.dataset.hotkey === combo);
    pending = event.key === "g" ? "g " : "";
    if (link) { event.preventDefault(); link.click(); }
  });

  // On a phone the navigation scrolls sideways; where one is has to be in sight.
  const here = $("nav [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;

  // Filter a list as one types.
  for (const input of $$("[data-filter]")) {
    const rows = $$(input.dataset.filter);
    const count = $("[data-filter-count]");
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = (row.dataset.text || row.textContent).toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        if (!row.hidden) shown += 1;
      }
      for (const group of $$("[data-filter-group]")) {
        group.hidden = !$$(input.dataset.filter, group).some((row) => !row.hidden);
      }
      if (count) count.textContent = words.length ? `${shown} shown` : "";
    };
    input.addEventListener("input", apply);
    apply();
  }

  // Times stand in UTC in the page; the reader's own time is one hover away.
  const localTimes = (root) => {
    for (const time of $$("time[datetime]", root)) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) time.title = at.toLocaleString();
    }
  };
  localTimes(document);
  document.addEventListener("htmx:afterSwap", (event) => localTimes(event.target));

  // Tick or untick all nodes.
  for (const button of $$("[data-tick]:enabled")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      for (const box of $$(`input[name="${button.dataset.name}"]`)) box.checked = button.dataset.tick === "all";
    });
  }

  // A planned start is typed on the clock of this browser, which the page names.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const field of $$("[data-zone]")) {
    if (!zone) break;
    field.value = zone;
    for (const name of $$("[data-zone-name]", field.closest(".field"))) name.textContent = zone;
  }

  // A button that is pressed twice asks once.
  for (const form of $$("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = "yes";
    });
  }
  addEventListener("pageshow", () => { for (const form of $$("form[data-once]")) delete form.dataset.sent; });

  // The live log: lines come as ready HTML fragments over server-sent events, each with its place in the log as id,
  // so that a broken connection goes on where it stopped.
  const log = $("[data-log]");
  if (log) {
    const MOST = 20000;
    const lines = $(".lines", log);
    const follow = $("[data-follow]", log);
    const state = $("[data-log-state]", log);
    const say = (words) => { if (state) state.textContent = words; };
    const number = (line) => Number(line?.id.slice(1)) || 0;
    let following = log.dataset.live === "yes" && !location.hash;
    let waiting = 0;
    let top = lines.scrollTop;
    const setFollowing = (on) => {
      following = on;
      if (on) { waiting = 0; lines.scrollTop = lines.scrollHeight; }
      if (follow) follow.textContent = on ? "Stop following" : `Follow again${waiting ? ` (${waiting} new)` : ""}`;
    };
    if (follow) { follow.hidden = false; follow.addEventListener("click", () => setFollowing(!following)); }
    // Who scrolls up reads. The end moves by itself as lines are laid out, so only the way up counts.
    lines.addEventListener("scroll", () => {
      const up = lines.scrollTop < top - 2;
      top = lines.scrollTop;
      if (following && up && lines.scrollHeight - top - lines.clientHeight > 24) setFollowing(false);
    });

    // The line that was jumped to, until somebody scrolls it out of sight; then the first one that is in sight. Where the
    // lines are scrolled to says nothing, and scroll events say nothing of who: they move by themselves when parts are laid
    // out, by any distance.
    let reached = null;
    let scrolled = false;
    const byHand = (event) => { if (event.type !== "pointerdown" || event.target === lines) scrolled = true; };
    for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"]) lines.addEventListener(kind, byHand, { passive: true });
    const place = () => {
      const box = lines.getBoundingClientRect();
      const mark = reached?.getBoundingClientRect();
      if (mark && (!scrolled || (mark.bottom > box.top && mark.top < box.bottom))) return number(reached);
      const first = document.elementFromPoint(box.left + 20, Math.max(box.top, 0) + 12)?.closest?.(".ln");
      return first && lines.contains(first) ? number(first) - 1 : 0;
    };
    const jump = (line) => {
      setFollowing(false);
      $(".ln.at", lines)?.classList.remove("at");
      line.classList.add("at");
      // Twice: parts that were not laid out yet are about as tall as was thought, but not quite.
      for (let i = 0; i < 2; i += 1) lines.scrollTop += line.getBoundingClientRect().top - lines.getBoundingClientRect().top - 8;
      reached = line;
      scrolled = false;
      say(`line ${number(line)}`);
    };
    // "Next" looks on this page first; what lies beyond it the server finds.
    for (const link of $$("[data-next]", log)) {
      const kinds = { err: ".ln.err, .ln.sys", hit: ".ln.hit" }[link.dataset.next];
      link.addEventListener("click", (event) => {
        const places = $$(kinds, lines).filter((line) => line.id);
        const from = place();
        const target = places.find((line) => number(line) > from);
        if (target) { event.preventDefault(); jump(target); return; }
        const all = $$(".ln[id]", lines);
        const on = new URL(link.href);
        on.searchParams.set("after", Math.max(from, all.length ? number(all[all.length - 1]) : 0));
        link.href = on;
      });
    }
    // A line's number is a link to it. It is not an element that the Tab key stops at: a log has thousands.
    lines.addEventListener("click", (event) => {
      const link = event.target.closest("b.n");
      if (link) { setFollowing(false); location.hash = `#${link.parentElement.id}`; }
    });
    // A line that is not on this page is on another one, perhaps of another node.
    const open = () => {
      const asked = /^#L(\d+)$/.exec(location.hash)?.[1];
      if (!asked) return;
      setFollowing(false);
      const there = $(`#L${asked}`, lines);
      if (there) { jump(there); log.scrollIntoView(); return; }
      const query = new URLSearchParams(location.search);
      if (query.get("line") !== asked) query.set("line", asked);
      else if (query.has("node")) query.delete("node");
      else { say(`there is no line ${asked}`); return; }
      for (const name of ["from", "none", "rest"]) query.delete(name);
      location.replace(`${log.dataset.run}?${query}${location.hash}`);
    };
    addEventListener("hashchange", open);
    // Once more when the browser has gone to the line in its own way, which leaves the bar above the lines out of sight.
    addEventListener("load", open, { once: true });
    setFollowing(following);
    open();
    if (log.dataset.live === "yes" && window.EventSource) {
      const source = new EventSource(log.dataset.src);
      source.addEventListener("lines", (event) => {
        const holder = document.createElement("template");
        holder.innerHTML = event.data;
        const fresh = holder.content.querySelectorAll(".ln").length;
        $("[data-nothing]", lines)?.remove();
        lines.append(holder.content);
        if (!following) { waiting += fresh; setFollowing(false); return; }
        // While somebody reads, nothing is taken away from under their eyes.
        let over = lines.getElementsByClassName("ln").length - MOST;
        while (over > 0) {
          const first = lines.firstElementChild;
          over -= first.matches(".part") ? first.childElementCount : 1;
          first.remove();
          $("[data-before]", log).hidden = false;
        }
        lines.scrollTop = lines.scrollHeight;
      });
      source.addEventListener("state", () => document.body.dispatchEvent(new Event("run-changed")));
      source.addEventListener("end", () => {
        source.close();
        log.dataset.live = "no";
        if (follow) follow.hidden = true;
        say("complete");
        document.body.dispatchEvent(new Event("run-changed"));
      });
      source.addEventListener("open", () => say("live"));
      source.addEventListener("error", () => { if (log.dataset.live === "yes") say("connection lost, trying again …"); });
    }
  }
})();
