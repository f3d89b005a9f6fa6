// The keyboard: to the pages, to the search, to a job or a run by the palette; and the switch between light and dark.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { nothingIsWrong, open, until } from "./browser.mjs";

let signedIn;
let close;

before(async () => { ({ signedIn, close } = await open()); });

after(() => close?.());

const path = (page) => new URL(page.url()).pathname;

test("two letters go to a page, a stroke searches, a question mark helps", async () => {
  const oncall = await signedIn("oncall");
  const { page } = oncall;
  for (const [keys, to] of [["gj", "/jobs"], ["ga", "/approvals"], ["gr", "/runs"], ["gh", "/"]]) {
    for (const key of keys) await page.keyboard.press(key);
    await page.waitForURL((url) => url.pathname === to);
  }
  await page.keyboard.press("?");
  await page.waitForSelector("#keys-help[open]");
  for (const said of ["Ctrl", "g j", "g a", "g r", "?"]) assert.ok((await page.textContent("#keys-help")).includes(said), said);
  await nothingIsWrong(page, "the list of keys");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("dialog[open]").count(), 0);

  // Where the page has no search of its own, the stroke finds.
  await page.keyboard.press("/");
  await page.waitForSelector("#find[open]");
  await page.goto("/jobs");
  await page.keyboard.press("/");
  await page.keyboard.type("rotate gj?/");
  assert.equal(await page.inputValue("#filter"), "rotate gj?/", "letters that are typed are no keys");
  assert.equal(path(page), "/jobs");
  assert.deepEqual(oncall.problems, []);
  await oncall.context.close();
});

test("the palette finds jobs by name and runs by number", async () => {
  const oncall = await signedIn("oncall");
  const { page } = oncall;
  await page.goto("/projects/ops/jobs/logs/rotate");
  await page.selectOption('[name="option.application"]', "shop");
  await page.click("main button.primary");
  await page.waitForURL(/\/runs\/\d+$/);
  const run = path(page);

  await page.goto("/");
  await page.keyboard.press("Control+k");
  await page.waitForSelector("#find[open] .found a");
  await nothingIsWrong(page, "the palette");
  await page.keyboard.type("disk");
  await page.waitForSelector("[data-asked=disk]");
  assert.deepEqual((await page.locator(".found a").allTextContents()).map((t) => t.split(" ")[0]), ["disk-report"]);
  await page.keyboard.press("Enter");
  await page.waitForURL("/projects/ops/jobs/services/disk-report");

  // Arrows reach the others; what is meant is what was typed, also when the list has not followed yet.
  await page.keyboard.press("Control+k");
  await page.waitForSelector("#find[open] .found a");
  for (let pressed = 0; pressed < 4; pressed += 1) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowUp");
  assert.equal(await page.evaluate(() => document.activeElement.textContent.includes("restart-service")), true);
  await page.keyboard.press("Enter");
  await page.waitForURL("/projects/ops/jobs/services/restart-service");
  await page.keyboard.press("Control+k");
  await page.keyboard.type(`#${run.split("/").pop()}`);
  await page.keyboard.press("Enter");
  await page.waitForURL(run);

  await page.click("[data-find-open]");
  await page.keyboard.type("#999999");
  await page.waitForSelector("text=Nothing of this name or number");
  await page.keyboard.press("Enter");
  assert.equal(path(page), run);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("dialog[open]").count(), 0);
  assert.deepEqual(oncall.problems, []);
  await oncall.context.close();
});

test("the switch between light and dark is remembered", async () => {
  const oncall = await signedIn("oncall", { colorScheme: "light" });
  const { page } = oncall;
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.click("[data-theme-switch]");
  await until(async () => await ground() !== light);
  await page.goto("/jobs");
  assert.notEqual(await ground(), light);
  await nothingIsWrong(page, "the jobs in the dark");
  assert.deepEqual(oncall.problems, []);
  await oncall.context.close();
});
