// The main job in a real browser, with and without JavaScript: ask, look, refuse, approve, follow, read afterwards.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";

import { nothingIsWrong, open, until } from "./browser.mjs";

const JOB = "/projects/ops/jobs/services/restart-service";
const PAGES = ["/", "/jobs", JOB, "/runs", "/approvals", "/events", "/webhooks", "/rules", "/sources", "/enrichers", "/aliases", "/break-glass", "/nodes", "/keys", "/access", "/audit", "/settings"];

let demo;
let signedIn;
let close;

before(async () => { ({ demo, signedIn, close } = await open()); });

after(() => close?.());

/** Asks for a restart; the address of its run. */
async function ask(page, service, reason) {
  await page.goto(JOB);
  await page.fill('[name="option.service"]', service);
  await page.fill('[name="option.grace"]', "0s");
  await page.fill('[name="option.reason"]', reason);
  await page.click("main button.primary");
}

for (const javaScriptEnabled of [true, false]) {
  test(`the story, JavaScript ${javaScriptEnabled ? "on" : "off"}`, async () => {
    const oncall = await signedIn("oncall", { javaScriptEnabled });
    await ask(oncall.page, "NOT a unit", "disk is full");
    assert.match(await oncall.page.textContent(".wrong"), /match/);
    assert.equal(await oncall.page.inputValue('[name="option.reason"]'), "disk is full", "what was typed is kept");
    await ask(oncall.page, javaScriptEnabled ? "nginx" : "haproxy", "disk is full <b>& more</b>");
    await oncall.page.waitForURL(/\/runs\/\d+$/);
    const address = new URL(oncall.page.url()).pathname;
    assert.match(await oncall.page.textContent("h1"), /restart-service/);
    assert.match(await oncall.page.textContent("main"), /disk is full <b>& more<\/b>/);

    // The requester sees the request but has no button for it.
    await oncall.page.click('main a[href^="/approvals/"]');
    assert.equal(await oncall.page.locator('button[value="approve"]').count(), 0);
    const request = new URL(oncall.page.url()).pathname;

    const manager = await signedIn("manager", { javaScriptEnabled, viewport: { width: 360, height: 740 } });
    await manager.page.goto("/approvals");
    await manager.page.goto(request);
    const shown = await manager.page.textContent("main");
    for (const part of ["web1", "web2", "disk is full", "oncall", "production", "echo would restart"]) {
      assert.ok(shown.includes(part), `the request shows ${part}`);
    }
    await manager.page.fill('[name="reason"]', "go on");
    await manager.page.click('button[value="approve"]');
    await manager.page.goto(address);
    await until(async () => {
      await oncall.page.goto(address);
      return (await oncall.page.textContent("main")).includes("succeeded");
    });
    const log = await oncall.page.textContent(".lines");
    for (const node of ["web1", "web2"]) assert.ok(log.includes(`would restart ${javaScriptEnabled ? "nginx" : "haproxy"} on ${node}`), log);
    assert.match(await oncall.page.textContent("main"), /manager/);

    // The same decision a second time is refused with a sentence.
    await manager.page.goto(request);
    assert.equal(await manager.page.locator('button[value="approve"]').count(), 0);
    assert.deepEqual(oncall.problems, []);
    assert.deepEqual(manager.problems, []);
    await oncall.context.close();
    await manager.context.close();
  });
}

test("the log comes by itself, line by line, while the run goes on", async () => {
  const oncall = await signedIn("oncall");
  const manager = await signedIn("manager");
  await ask(oncall.page, "postfix", "live");
  await oncall.page.waitForURL(/\/runs\/\d+$/);
  await oncall.page.waitForSelector("[data-log-state]:has-text('live')");
  await manager.page.goto("/approvals");
  await manager.page.click("main a.button.primary");
  await manager.page.fill('[name="reason"]', "go on");
  await manager.page.click('button[value="approve"]');
  // Nobody reloads the page of the requester.
  await oncall.page.waitForSelector(".ln:has-text('postfix is back')");
  await oncall.page.waitForSelector(".state.succeeded");
  assert.deepEqual(oncall.problems, []);
  await oncall.context.close();
  await manager.context.close();
});

test("a button that is pressed twice asks once", async () => {
  const oncall = await signedIn("oncall", { javaScriptEnabled: false });
  await oncall.page.goto(JOB);
  const fields = { "option.service": "cron", "option.grace": "0s", "option.reason": "twice", narrow: "yes", node: "web1" };
  for (const name of ["csrf", "once"]) fields[name] = await oncall.page.inputValue(`form[data-once] [name="${name}"]`);
  const press = async (multipart) => (await oncall.context.request.post("/projects/ops/run/services/restart-service", { multipart })).url();
  const [first, second] = [await press(fields), await press(fields)];
  assert.match(first, /\/runs\/\d+$/);
  assert.equal(second, first);
  assert.notEqual(await press({ ...fields, "option.service": "crond" }), first);
  await oncall.context.close();
});

test("PagerDuty asks, a manager finds it in the queue and rejects it", async () => {
  const answer = JSON.parse(execFileSync("sh", ["-c", demo.command], { encoding: "utf8" }));
  assert.equal(answer.verdict, "ran");
  const again = JSON.parse(execFileSync("sh", ["-c", demo.command], { encoding: "utf8" }));
  assert.equal(again.run, answer.run, "the same delivery makes one run");
  const manager = await signedIn("manager");
  await manager.page.goto(`/runs/${answer.run}`);
  await manager.page.click('main a[href^="/approvals/"]');
  await manager.page.click('button[value="reject"]');
  assert.match(await manager.page.textContent("main"), /reason/i, "a rejection needs its reason");
  await manager.page.fill('[name="reason"]', "not tonight");
  await manager.page.click('button[value="reject"]');
  await manager.page.goto(`/runs/${answer.run}`);
  assert.match(await manager.page.textContent("main"), /rejected[\s\S]*not tonight/i);
  await manager.context.close();
});

test("nothing is wrong with any page for those who hear or type it, and nothing is cut off on a phone", async () => {
  const admin = await signedIn("admin");
  const run = await admin.page.goto("/runs").then(() => admin.page.getAttribute('main a[href^="/runs/"]', "href"));
  for (const path of [...PAGES, run]) {
    const answer = await admin.page.goto(path);
    assert.equal(answer.status(), 200, path);
    await nothingIsWrong(admin.page, path);
  }
  assert.deepEqual(admin.problems, []);
  await admin.context.close();
});
