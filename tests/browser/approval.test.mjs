// The whole life of a request in a real browser: asked in one session, pushed back, amended, signed by two, run; and its page on a phone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { nothingIsWrong, open, until } from "./browser.mjs";

const JOB = "/projects/ops/jobs/services/restart-service";
const SECOND = "second manager's password";

let demo;
let signedIn;
let close;

before(async () => {
  ({ demo, signedIn, close } = await open());
  // A second manager, and a policy that needs both.
  const { page } = await signedIn("admin", { javaScriptEnabled: false });
  await page.goto("/settings");
  await page.fill("#name", "second");
  await page.fill("#first", SECOND);
  await page.click('form[action="/settings/people"] button.primary');
  demo.people.second = SECOND;
  await edit(page, "access/access", (text) => text.replace("['user:manager']", "['user:manager', 'user:second']"));
  await edit(page, "project/project", (text) => text.replace("role: manager, count: 1", "role: manager, count: 2"));
});

after(() => close?.());

/** Changes a definition in the editor, without JavaScript: look at the difference, then save. */
async function edit(page, what, change) {
  await page.goto(`/projects/ops/edit/${what}`);
  const source = change(await page.inputValue("#source"));
  await page.fill("#source", source);
  await page.click('button[value="diff"]');
  await page.click('button[value="save"]');
  await page.goto(`/projects/ops/edit/${what}`);
  assert.equal((await page.inputValue("#source")).trim(), source.trim(), `${what} is saved`);
}

async function answer(page, request, verdict, reason) {
  await page.goto(request);
  await page.fill('[name="reason"]', reason);
  await page.click(`button[value="${verdict}"]`);
  await page.waitForLoadState();
}

for (const javaScriptEnabled of [true, false]) {
  test(`pushed back, amended, signed by two, run; JavaScript ${javaScriptEnabled ? "on" : "off"}`, async () => {
    const oncall = await signedIn("oncall", { javaScriptEnabled });
    await oncall.page.goto(JOB);
    await oncall.page.fill('[name="option.service"]', "nginx");
    await oncall.page.fill('[name="option.grace"]', "0s");
    await oncall.page.fill('[name="option.reason"]', "it hangs");
    await oncall.page.click("main button.primary");
    await oncall.page.waitForURL(/\/runs\/\d+$/);
    await oncall.page.click('main a[href^="/approvals/"]');
    await oncall.page.waitForURL(/\/approvals\/[0-9a-f-]+$/);
    const first = new URL(oncall.page.url()).pathname;

    const manager = await signedIn("manager", { javaScriptEnabled, viewport: { width: 360, height: 740 } });
    await answer(manager.page, first, "push_back", "haproxy, not nginx");
    assert.match(await manager.page.textContent("main"), /pushed back/);

    // Whoever asked sees why, changes it in the form and asks again.
    await oncall.page.goto(first);
    assert.match(await oncall.page.textContent("main"), /haproxy, not nginx/);
    await oncall.page.click('a:has-text("Change it first")');
    await oncall.page.waitForURL(/replaces=/);
    assert.equal(await oncall.page.inputValue('[name="option.service"]'), "nginx", "what was asked for is kept");
    await oncall.page.fill('[name="option.service"]', "haproxy");
    await oncall.page.click("main button.primary");
    await oncall.page.waitForURL(/\/runs\/\d+$/);
    const run = new URL(oncall.page.url()).pathname;
    await oncall.page.click('main a[href^="/approvals/"]');
    await oncall.page.waitForURL(/\/approvals\/[0-9a-f-]+$/);
    const second = new URL(oncall.page.url()).pathname;
    assert.notEqual(second, first);

    // The difference to what was asked before stands on the page, and what was said.
    await manager.page.goto(second);
    const shown = await manager.page.textContent("main");
    assert.match(shown, /option service = haproxy/);
    assert.match(shown, /haproxy, not nginx/);
    if (javaScriptEnabled) await nothingIsWrong(manager.page, "the request");
    await answer(manager.page, second, "approve", "now it is right");
    assert.match(await manager.page.textContent("main"), /1 manager/);
    const other = await signedIn("second", { javaScriptEnabled });
    await answer(other.page, second, "approve", "agreed");
    await until(async () => {
      await oncall.page.goto(run);
      return (await oncall.page.locator(".head .state.succeeded").count()) > 0;
    });
    await oncall.page.goto(second);
    assert.match(await oncall.page.textContent("main"), /approved and started/);
    for (const { problems } of [oncall, manager, other]) assert.deepEqual(problems, []);
  });
}

test("a request that became void is asked again in one press", async () => {
  const oncall = await signedIn("oncall");
  await oncall.page.goto(JOB);
  await oncall.page.fill('[name="option.service"]', "cron");
  await oncall.page.fill('[name="option.grace"]', "0s");
  await oncall.page.fill('[name="option.reason"]', "late");
  await oncall.page.click("main button.primary");
  await oncall.page.waitForURL(/\/runs\/\d+$/);
  await oncall.page.click('main a[href^="/approvals/"]');
  await oncall.page.waitForURL(/\/approvals\/[0-9a-f-]+$/);
  const request = new URL(oncall.page.url()).pathname;
  const admin = await signedIn("admin", { javaScriptEnabled: false });
  await edit(admin.page, "project/project", (text) => text.replace("expires: 4h", "expires: 5h"));
  await oncall.page.goto(request);
  assert.match(await oncall.page.textContent("main"), /void/);
  await oncall.page.click('button:has-text("Ask again")');
  await oncall.page.waitForURL((url) => url.pathname.startsWith("/approvals/") && url.pathname !== request);
  assert.match(await oncall.page.textContent("main"), /waits for sign-off/);
  await nothingIsWrong(oncall.page, "the request asked again");
  for (const path of ["/delegations", "/break-glass"]) {
    await oncall.page.goto(path);
    await nothingIsWrong(oncall.page, path);
  }
});
