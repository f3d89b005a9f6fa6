// From an event to what a rule would have done, as people see it: found, explained, marked, held against the past, edited.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { nothingIsWrong, open, until } from "./browser.mjs";

const RULE = "/rules/ops/disk_almost_full";

let signedIn;
let close;

before(async () => {
  ({ signedIn, close } = await open());
});

after(() => close?.());

/** Posts an alert as whoever is signed in; the address of its page. */
async function alerted(page, app, fingerprint) {
  await page.goto("/settings");
  const csrf = await page.getAttribute('input[name="csrf"]', "value");
  const labels = { alertname: "DiskAlmostFull", severity: "warning", env: "staging", app };
  const answer = await page.request.post("/api/v1/events", {
    headers: { "x-csrf-token": csrf },
    data: { type: "prometheus.alert", project: "ops", payload: { labels, fingerprint } },
  });
  assert.equal(answer.status(), 202, await answer.text());
  return `/events/${(await answer.json()).event}`;
}

for (const javaScriptEnabled of [true, false]) {
  test(`an alert, what a rule would have done, and a backtest; JavaScript ${javaScriptEnabled ? "on" : "off"}`, async () => {
    const { page, problems } = await signedIn("admin", { javaScriptEnabled });
    const event = await alerted(page, "shop", `shop-${javaScriptEnabled}`);
    const other = await alerted(page, "unknown", `unknown-${javaScriptEnabled}`);
    // The engine looks at it soon.
    await until(async () => {
      await page.goto(event);
      return /would have acted/.test(await page.textContent("main"));
    });
    for (const words of ["Why did rules act, or not", "trigger.labels.severity", "disk_almost_full"]) {
      assert.ok((await page.textContent("main")).includes(words), words);
    }
    // The other one did not match, and says which criterion.
    await until(async () => {
      await page.goto(other);
      return /trigger\.labels\.app/.test(await page.textContent("main"));
    });

    // Found again by rule and outcome.
    await page.goto("/events");
    await page.fill("#f-rule", "disk_almost_full");
    await page.selectOption("#f-outcome", "would");
    await page.click('form[action="/events"] button');
    await page.waitForURL(/outcome=would/);
    assert.equal(await page.locator(`a[href="${event}"]`).count(), 1);
    assert.equal(await page.locator(`a[href="${other}"]`).count(), 0);
    const file = await page.request.get(await page.getAttribute('a:has-text("As a table")', "href"));
    assert.match(await file.text(), /^id,time,project,source,type,/);

    // Marked as right on the rule's page; the promotion says what is missing.
    await page.goto(RULE);
    await page.click('button[value="right"]');
    await page.waitForLoadState();
    assert.match(await page.textContent("main"), /marked right/);
    await page.click('button:has-text("Ask for the promotion")');
    await page.waitForLoadState();
    assert.match(await page.textContent('[role="alert"]'), /dry run is not over/i);

    // The stored text against the past, on a page of its own.
    await page.goto(RULE);
    await page.selectOption("#days", "7");
    await page.click('button:has-text("Backtest")');
    await page.waitForURL(/\/backtests\/[0-9a-f-]+$/);
    await until(async () => /Of \d+ events of its type in 7 days/.test(await page.textContent("main")));
    const backtest = new URL(page.url()).pathname;
    await page.goto(RULE);
    assert.equal(await page.locator(`a[href="${backtest}"]`).count(), 1, "the rule's page leads there");

    // An edit that is not saved, with one press; the text is still there.
    await page.goto("/projects/ops/edit/rule/disk_almost_full");
    if (!javaScriptEnabled) {
      const source = (await page.inputValue("#source")).replace("[shop, search, mail]", "[unknown]");
      await page.fill("#source", source);
    }
    await page.click('button[value="backtest"]');
    await until(async () => /Of \d+ events of its type/.test(await page.textContent("main")));
    if (!javaScriptEnabled) assert.match(await page.inputValue("#source"), /\[unknown\]/, "nothing that was typed is lost");
    assert.match(await page.inputValue("#source"), /name: disk_almost_full/);
    assert.deepEqual(problems, []);
  });
}

test("pages of events and rules hinder nobody", async () => {
  const { page } = await signedIn("admin");
  await page.goto(RULE);
  await page.click('button:has-text("Backtest")');
  await page.waitForURL(/\/backtests\//);
  const backtest = new URL(page.url()).pathname;
  for (const path of ["/events", "/events?rule=disk_almost_full&outcome=would&since=7d", "/events/counts",
    "/events/counts?of=rules", RULE, backtest, "/enrichers", "/projects/ops/edit/rule/disk_almost_full"]) {
    await page.goto(path);
    await nothingIsWrong(page, path);
  }
});
