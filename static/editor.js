// The editor's page: a view with marks in place of the plain field, and the server's own check while one types. The field
// stays what the form sends, and all there is without JavaScript.
"use strict";

(() => {
  const form = document.querySelector("[data-editor]");
  if (!form || !window.YamlView) return;
  const part = (id) => document.getElementById(id);
  const area = form.elements.source;
  const host = form.querySelector("[data-view]");
  const keys = form.querySelector("[data-keys]");

  // The list of mistakes is what the marks are made of, so that both always say the same.
  const markOf = (link) => {
    const { line, column, endLine, endColumn, severity } = link.dataset;
    const said = [...link.parentElement.querySelectorAll("[data-says], [data-hint]")].map((e) => e.textContent);
    return { line: +line, column: +column, endLine: +endLine, endColumn: +endColumn, severity, message: said.join("\n") };
  };
  const marks = () => [...part("diagnostics").querySelectorAll("[data-mark]")].map(markOf);

  let timer = 0;
  let asked = 0;
  const view = window.YamlView.mount(host, {
    text: area.value,
    label: "Definition as YAML",
    help: keys.textContent,
    changed: (text) => {
      area.value = text;
      clearTimeout(timer);
      timer = setTimeout(check, 300);
    },
  });
  area.hidden = true;
  host.hidden = false;
  keys.hidden = false;
  view.mark(marks());

  const draw = (html) => {
    const answer = document.createElement("template");
    answer.innerHTML = html;
    for (const fresh of answer.content.querySelectorAll("[data-part]")) {
      const old = part(fresh.dataset.part);
      // What did not change is not read out again.
      if (old && old.innerHTML !== fresh.innerHTML) old.replaceChildren(...fresh.childNodes);
    }
    // Without a form of its own the text keeps the one from before, so that the page does not jump at every letter.
    const before = form.querySelector("[data-before]");
    if (before) before.hidden = Boolean(answer.content.querySelector("[data-part='form']")) || !part("form").childElementCount;
    view.mark(marks());
  };

  async function check() {
    const turn = asked += 1;
    const body = new URLSearchParams({ source: area.value, csrf: form.elements.csrf.value });
    let html = "<p data-part='diagnostics'>The check does not answer. Saving checks the text again.</p>";
    try {
      const answer = await fetch(form.dataset.check, { method: "POST", body });
      // Who is no longer signed in is sent elsewhere.
      if (answer.ok && !answer.redirected) html = await answer.text();
    } catch { /* the sentence above stands */ }
    // Answers may overtake each other; only the last question counts.
    if (turn === asked) draw(html);
  }

  form.addEventListener("click", (event) => {
    const link = event.target.closest("[data-mark]");
    if (link) { event.preventDefault(); view.go(markOf(link)); }
  });

  // A text that is not stored yet is not left by a slip of the finger, also when it came back with its mistakes.
  const stored = form.dataset.stored === "yes" ? area.value : null;
  let leaving = false;
  const leave = () => { leaving = true; };
  form.addEventListener("submit", leave);
  document.querySelector("[data-leave]").addEventListener("click", leave);
  addEventListener("beforeunload", (event) => { if (!leaving && area.value !== stored) event.preventDefault(); });
})();
