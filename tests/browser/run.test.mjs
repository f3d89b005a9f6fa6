// A long log in a real browser: search, the next error, line links, following and ceasing to follow; and the pages round it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { nothingIsWrong, open, until } from "./browser.mjs";

const LONG = `name: long
group: try
description: Writes a long log.
nodes: {filter: 'name: web1'}
steps:
  - name: talk
    script: |
      i=0
      while [ $i -lt 23000 ]; do i=$((i+1)); echo "line $i of the story"; done
      echo "early trouble" >&2
`;
const SLOW = `name: slow
group: try
description: Writes a line now and then.
nodes: {filter: 'name: web1'}
steps:
  - name: talk
    script: |
      i=0
      while [ $i -lt 60 ]; do i=$((i+1)); echo "tick $i"; done
      i=0
      while [ $i -lt 600 ]; do i=$((i+1)); echo "tock $i"; sleep 0.1; done
`;
const ALIKE = `name: alike
group: try
description: Writes the same on every node but one.
nodes: {filter: '.*', concurrency: 3}
steps:
  - name: talk
    run: test "\${node.name}" = web2 && echo odd || echo even
`;

let signedIn;
let close;
let admin;

before(async () => {
  ({ signedIn, close } = await open());
  admin = await signedIn("admin");
  await admin.page.goto("/settings");
  const csrf = await admin.page.locator('[name="csrf"]').first().inputValue();
  for (const [name, source] of [["long", LONG], ["slow", SLOW], ["alike", ALIKE]]) {
    const answer = await admin.context.request.put(`/api/v1/projects/ops/jobs/try/${name}`, { data: source, headers: { "content-type": "application/yaml", "x-csrf-token": csrf } });
    assert.ok(answer.ok(), await answer.text());
  }
});

after(() => close?.());

/** Runs a job as the one on call; the page that it leads to, and who looks at it. */
async function run(name, options = {}) {
  const oncall = await signedIn("oncall", options);
  await oncall.page.goto(`/projects/ops/jobs/try/${name}`);
  const reason = oncall.page.locator("#reason");
  if (await reason.count()) await reason.fill("a test asks");
  await oncall.page.click("main button.primary");
  await oncall.page.waitForURL(/\/runs\/\d+$/);
  return { ...oncall, address: new URL(oncall.page.url()).pathname };
}

async function ended(page, address) {
  await until(async () => {
    await page.goto(address);
    // A step on one node may have succeeded long before the run.
    return (await page.locator(".head .state.succeeded").count()) > 0;
  });
}

test("a long log: its end, any of its lines, every hit, the next error", async () => {
  const { page, context, address, problems } = await run("long");
  await ended(page, address);
  const began = Date.now();
  await page.goto(address);
  const shown = await page.locator(".ln").count();
  assert.ok(shown > 19_700 && shown <= 20_000, String(shown));
  assert.ok(Date.now() - began < 15_000, "the page is quick");
  // The browser's own search finds a line that was never laid out.
  assert.ok(await page.evaluate(() => globalThis.find("line 12000 of the story")));

  // A line that is not on this page opens where it is, and is in sight.
  await page.goto("about:blank");
  await page.goto(`${address}#L120`);
  await page.waitForURL(/line=120#L120$/);
  await page.waitForSelector("#L120.at");
  assert.ok(await inSight(page, "#L120"));
  // So does one that is asked for on the same page.
  await page.evaluate(() => { location.hash = "#L22990"; });
  await page.waitForURL(/line=22990#L22990$/);
  assert.ok(await inSight(page, "#L22990"));

  // The whole log is searched, and from a hit one goes to the next.
  await page.keyboard.press("/");
  await page.keyboard.type("STORY");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=with “STORY”");
  assert.equal(await page.locator(".ln").count(), 200);
  await nothingIsWrong(page, "hits in a log");
  await page.click("a.n >> nth=4");
  await page.waitForSelector("#L5.at");
  await page.click("[data-next=hit]");
  await page.waitForSelector("#L6.at");

  // None is left on the page, so the server is asked.
  await page.goto(`${address}?line=1#L1`);
  await page.waitForSelector("#L1.at");
  await page.click("[data-next=err]");
  await page.waitForSelector(".ln.err.at");
  assert.match(await page.textContent(".ln.err.at"), /early trouble/);
  assert.ok(await inSight(page, ".ln.err.at"));
  // The lines move by themselves when parts of them are laid out, however far; the place reached stays.
  await page.evaluate(() => { document.querySelector(".lines").scrollTop = 0; });
  assert.ok(!(await inSight(page, ".ln.err.at")));
  await page.click("[data-next=err]");
  await page.waitForSelector("text=No error line after line");
  assert.deepEqual(problems, []);
  await context.close();
});

async function inSight(page, selector) {
  return page.evaluate((s) => {
    const [line, box] = [document.querySelector(s), document.querySelector(".lines")].map((e) => e.getBoundingClientRect());
    return line.top >= box.top - 1 && line.bottom <= box.bottom + 1;
  }, selector);
}

test("without JavaScript the search, its hits and the next error are links", async () => {
  const { page, context, address } = await run("long", { javaScriptEnabled: false });
  await ended(page, address);
  await page.fill("#log-q", "line 777 of");
  await page.click(".find button");
  // The page before has lines with numbers as well, but not this one. Where the two streams meet is chance, so it may be
  // the line behind.
  await page.click("a.n[href*='line=77']");
  await page.waitForURL(/line=77[78]#L77[78]$/);
  await page.goto(`${address}?line=1#L1`);
  await page.click("text=Next error");
  await page.waitForURL(/#L(?!1$)\d+$/);
  assert.match(await page.textContent(`#${new URL(page.url()).hash.slice(1)}`), /early trouble/);
  await context.close();
});

test("who scrolls up stops following, and follows again by a press", async () => {
  const { page, context, address, problems } = await run("slow");
  await page.waitForSelector(".ln:has-text('tock 3')");
  await page.waitForSelector("[data-follow]:has-text('Stop following')");
  const atEnd = () => page.evaluate(() => { const l = document.querySelector(".lines"); return l.scrollHeight - l.scrollTop - l.clientHeight < 24; });
  await until(atEnd);
  await page.hover(".lines");
  await page.mouse.wheel(0, -600);
  await page.waitForSelector("[data-follow]:has-text('Follow again')");
  const top = await page.evaluate(() => document.querySelector(".lines").scrollTop);
  await page.waitForSelector("[data-follow]:has-text('new)')");
  assert.equal(await page.evaluate(() => document.querySelector(".lines").scrollTop), top, "nothing moves while somebody reads");
  await page.click("[data-follow]");
  await until(atEnd);
  await page.waitForSelector("[data-follow]:has-text('Stop following')");
  await page.click("button.danger:has-text('Cancel')");
  await page.waitForSelector(".state.canceled");
  assert.deepEqual(problems, []);
  await context.close();
  assert.match(address, /runs/);
});

test("equal output is folded", async () => {
  const { page, context, address } = await run("alike");
  await ended(page, address);
  await page.click("a:has-text('By output')");
  await page.waitForSelector("text=2 different outputs");
  assert.match(await page.textContent(".folded"), /2 nodes, 1 line[\s\S]*even[\s\S]*1 node, 1 line[\s\S]*web2[\s\S]*odd/);
  await nothingIsWrong(page, "folded output");
  await context.close();
});

for (const javaScriptEnabled of [true, false]) {
  test(`a runbook is pinned to the home page, JavaScript ${javaScriptEnabled ? "on" : "off"}`, async () => {
    const { page, context } = await signedIn("oncall", { javaScriptEnabled });
    await page.goto("/projects/ops/jobs/try/slow");
    await page.click("text=Pin to my home page");
    await page.goto("/");
    assert.deepEqual(await page.locator(".pin b").allTextContents(), ["slow"]);
    await page.goto("/projects/ops/jobs/try/slow");
    await page.click("text=Take off my home page");
    await page.goto("/");
    assert.ok((await page.locator(".pin").count()) > 1);
    await context.close();
  });
}

test("a node is looked at, and what it came to stands there", async () => {
  const { page } = admin;
  await page.goto("/nodes");
  await page.click("main button:has-text('Check') >> nth=0");
  await page.waitForSelector("text=It answers with the host key that is trusted.");
  await nothingIsWrong(page, "a node that was looked at");
});
