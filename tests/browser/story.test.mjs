// The main job in a real browser, with and without JavaScript: ask, look, refuse, approve, follow, read afterwards.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

import { startDemo } from "./demo.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const JOB = "/projects/ops/jobs/services/restart-service";
const PAGES = ["/", "/jobs", JOB, "/runs", "/approvals", "/events", "/webhooks", "/nodes", "/keys", "/access", "/audit", "/settings"];

let demo;
let browser;

before(async () => {
  demo = await startDemo();
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** A browser of its own for a person, signed in. */
async function signedIn(name, options = {}) {
  const context = await browser.newContext({ baseURL: demo.url, ...options });
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    // A form that comes back with its mistakes has status 422, which the browser notes as an error.
    if (message.type() === "error" && !message.text().includes("status of 422")) problems.push(message.text());
  });
  await page.goto("/sign-in");
  await page.fill("#user", name);
  await page.fill("#password", demo.people[name]);
  await page.click("main button");
  await page.waitForURL((url) => url.pathname === "/");
  return { page, context, problems };
}

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
    await admin.page.evaluate(AXE);
    const { violations } = await admin.page.evaluate(() => globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] }));
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" | ")}`), [], path);
    await admin.page.setViewportSize({ width: 360, height: 740 });
    const wider = await admin.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wider <= 0, `${path} is ${wider} px wider than a phone`);
    await admin.page.setViewportSize({ width: 1280, height: 900 });
  }
  assert.deepEqual(admin.problems, []);
  await admin.context.close();
});

/** Waits for a condition, at most a minute. */
async function until(condition) {
  const end = Date.now() + 60_000;
  while (!(await condition())) assert.ok(Date.now() < end, "it did not happen within a minute");
}
