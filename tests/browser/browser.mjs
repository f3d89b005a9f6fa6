// What every browser test begins with: the demo, Chromium, people who are signed in, and the look at a page's wrongs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

import { startDemo } from "./demo.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Starts the demo and the browser. */
export async function open() {
  const demo = await startDemo();
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
  const close = async () => {
    await browser.close();
    await demo.stop();
  };
  return { demo, close, signedIn: (name, options) => signedIn(demo, browser, name, options) };
}

/** A browser of its own for a person, signed in. */
async function signedIn(demo, browser, name, options = {}) {
  const context = await browser.newContext({ baseURL: demo.url, ...options });
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    // A form that comes back with its mistakes has status 422, one that is refused 409; the browser notes both as errors.
    if (message.type() === "error" && !/status of (409|422)/.test(message.text())) problems.push(message.text());
  });
  await page.goto("/sign-in");
  await page.fill("#user", name);
  await page.fill("#password", demo.people[name]);
  await page.click("main button");
  await page.waitForURL((url) => url.pathname === "/");
  return { page, context, problems };
}

/** Nothing is wrong for those who hear or type the page, and nothing is cut off on a phone. */
export async function nothingIsWrong(page, what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" | ")}`), [], what);
  await page.setViewportSize({ width: 360, height: 740 });
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wider <= 0, `${what} is ${wider} px wider than a phone`);
  const cut = await page.evaluate(() => [...document.querySelectorAll(".cards")].filter((t) => t.offsetWidth > t.parentElement.clientWidth).length);
  assert.equal(cut, 0, `${what} has a row that a phone cuts off`);
  await page.setViewportSize({ width: 1280, height: 900 });
}

/** Waits for a condition, at most a minute. */
export async function until(condition) {
  const end = Date.now() + 60_000;
  while (!(await condition())) assert.ok(Date.now() < end, "it did not happen within a minute");
}
