// The editor of definitions in a real browser: marks while one types, the form that the text makes, the change before
// saving, and the way back; and all but the marks without JavaScript.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { nothingIsWrong, open, until } from "./browser.mjs";

const NAME = "services/disk-report";
const EDIT = `/projects/ops/edit/job/${NAME}`;
const HISTORY = `/projects/ops/history/job/${NAME}`;

let signedIn;
let close;

before(async () => { ({ signedIn, close } = await open()); });

after(() => close?.());

/** Replaces the whole text as a person would: through the keyboard's focus, in one paste. */
async function write(page, text) {
  await page.locator(".cm-content").focus();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(text);
}

const text = (page) => page.inputValue("#source");
const focused = (page) => page.evaluate(() => document.activeElement.matches("[data-view]"));

test("mistakes are marked in the text while one types", async () => {
  const admin = await signedIn("admin");
  const { page } = admin;
  await page.goto(EDIT);
  await page.waitForSelector(".cm-content");
  assert.equal(await page.isVisible("#source"), false, "the view stands in the field's place");
  assert.match(await page.textContent("#diagnostics"), /no mistakes/);
  const good = await text(page);

  // The policy forbids inline styles, so the view's own must have come as sheets.
  const gutter = page.locator(".cm-gutters");
  assert.equal(await gutter.evaluate((e) => getComputedStyle(e).display), "flex");
  assert.equal(await page.locator(".cm-scroller").evaluate((e) => getComputedStyle(e).fontFamily.includes("monospace")), true);
  assert.ok(await page.locator(".cm-line span[class]").count() > 5, "words have colours");

  await write(page, good.replace("min: 1\n", "minimum: 1\n"));
  await page.waitForSelector(".cm-lintRange-error");
  assert.equal(await page.textContent(".cm-lintRange-error"), "minimum");
  assert.match(await page.textContent("#diagnostics"), /line \d+, column \d+[\s\S]*minimum/);
  assert.equal(await page.locator(".cm-lint-marker-error").count(), 1);
  await nothingIsWrong(page, "the editor with a mistake");

  // The tooltip has the list's words.
  await page.hover(".cm-lintRange-error");
  await page.waitForSelector(".cm-tooltip .cm-diagnostic");
  const said = await page.textContent("#diagnostics [data-says]");
  assert.ok((await page.textContent(".cm-tooltip .cm-diagnostic")).includes(said));

  // The list leads to the place, and so does the keyboard.
  await page.mouse.move(0, 0);
  await page.click("#diagnostics [data-mark]");
  assert.ok(await focused(page));
  await page.keyboard.type("min");
  await page.waitForSelector("#diagnostics .state.succeeded");
  assert.equal(await text(page), good, "the field follows the view");
  assert.equal(await page.locator(".cm-lintRange-error").count(), 0);
  assert.deepEqual(admin.problems, []);
  await admin.context.close();
});

test("places count characters, also beyond the basic plane", async () => {
  const admin = await signedIn("admin");
  const { page } = admin;
  await page.goto(EDIT);
  await page.waitForSelector(".cm-content");
  await write(page, "{name: '😀😀', group: services, wrong: 1, steps: [{run: ls}]}\n");
  await page.waitForSelector(".cm-lintRange-error");
  await until(async () => (await page.locator(".cm-lintRange-error").allTextContents()).includes("wrong"));
  await admin.context.close();
});

test("the editor's keys stay in the editor, and Escape leaves it", async () => {
  const admin = await signedIn("admin");
  const { page } = admin;
  await page.goto(EDIT);
  await page.waitForSelector(".cm-content");
  await page.locator(".cm-content").focus();
  await page.keyboard.press("Control+Home");
  await page.keyboard.type("#g j/?");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(new URL(page.url()).pathname, EDIT);
  assert.equal(await page.locator("dialog[open]").count(), 0);
  assert.ok((await text(page)).startsWith("#g j/?\n  "), "Tab indents");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), false);

  // A text that was not saved is not lost to a slip of the finger.
  let asked = "";
  page.on("dialog", (dialog) => { asked = dialog.type(); dialog.dismiss(); });
  await page.click("nav a[href='/runs']", { noWaitAfter: true });
  await until(() => asked === "beforeunload");
  assert.equal(new URL(page.url()).pathname, EDIT);
  asked = "";
  await page.click("text=Leave without saving");
  await page.waitForURL((url) => url.pathname === `/projects/ops/jobs/${NAME}`);
  assert.equal(asked, "", "who says so leaves");
  assert.deepEqual(admin.problems, []);
  await admin.context.close();
});

test("the form follows the text", async () => {
  const admin = await signedIn("admin");
  const { page } = admin;
  await page.goto(EDIT);
  await page.waitForSelector(".cm-content");
  const good = await text(page);
  assert.ok(await page.isDisabled('#form [name="option.warn_at"]'));
  assert.match(await page.textContent("#form"), /web1[\s\S]*Run disk-report/);
  await write(page, good.replace("options:\n", "options:\n  - {name: path, type: enum, values: [/, /var]}\n"));
  await page.waitForSelector('#form [name="option.path"]');
  assert.deepEqual(await page.locator('#form [name="option.path"] option').allTextContents(), ["(none)", "/", "/var"]);
  await nothingIsWrong(page, "the editor with a form");

  // With a mistake the form from before stays, and says so.
  await write(page, `${good}nonsense: true\n`);
  await page.waitForSelector("text=Below is the form from before");
  assert.match(await page.textContent("#no-form"), /makes no form until/);
  assert.equal(await page.locator('#form [name="option.path"]').count(), 1);
  await write(page, good);
  await page.waitForSelector('#form [name="option.path"]', { state: "detached" });
  assert.equal(await page.textContent("#no-form"), "");
  assert.equal(await page.isVisible("[data-before]"), false);
  assert.deepEqual(admin.problems, []);
  await admin.context.close();
});

test("the view is light or dark as the page is", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const admin = await signedIn("admin", { colorScheme });
    const { page } = admin;
    await page.goto(EDIT);
    await page.waitForSelector(".cm-content");
    const colours = () => page.evaluate(() => {
      const of = (e) => getComputedStyle(e).backgroundColor;
      const root = document.querySelector("[data-view]").shadowRoot;
      return [of(root.querySelector(".cm-editor")), of(root.querySelector(".cm-gutters")), of(document.querySelector(".panel"))];
    });
    const first = await colours();
    assert.equal(new Set(first).size, 1, first.join(" "));
    await nothingIsWrong(page, `the editor in ${colorScheme}`);
    await page.click("[data-theme-switch]");
    const second = await colours();
    assert.equal(new Set(second).size, 1, second.join(" "));
    assert.notEqual(second[0], first[0]);
    assert.deepEqual(admin.problems, []);
    await admin.context.close();
  }
});

for (const javaScriptEnabled of [true, false]) {
  test(`a change is looked at, saved and taken back, JavaScript ${javaScriptEnabled ? "on" : "off"}`, async () => {
    const admin = await signedIn("admin", { javaScriptEnabled });
    const { page } = admin;
    const put = async (changed) => {
      if (javaScriptEnabled) {
        await page.waitForSelector(".cm-content");
        await write(page, changed);
      } else {
        await page.fill("#source", changed);
      }
    };
    await page.goto(EDIT);
    assert.match(await page.textContent("#form"), /Run disk-report/);
    const good = await text(page);
    await put(good.replace("max: 100\n", "maximum: 100\n"));
    await page.click('button[value="diff"]');
    assert.match(await page.textContent("[role=alert]"), /1 mistake to mend/);
    assert.match(await page.textContent("#diagnostics"), /maximum/);
    if (javaScriptEnabled) {
      // The text that came back is stored nowhere else.
      let asked = "";
      page.once("dialog", (dialog) => { asked = dialog.type(); dialog.dismiss(); });
      await page.waitForSelector(".cm-content");
      await page.click("nav a[href='/runs']", { noWaitAfter: true });
      await until(() => asked === "beforeunload");
    }
    await put(good.replace("max: 100\n", "max: 99\n"));
    await page.click('button[value="diff"]');

    // Two columns beside each other; one below the other on a phone.
    const [gone, come] = [page.locator(".text.gone"), page.locator(".text.come")];
    assert.deepEqual([await gone.allTextContents(), await come.allTextContents()], [["    max: 100"], ["    max: 99"]]);
    const [left, right] = [await gone.boundingBox(), await come.boundingBox()];
    assert.ok(left.y === right.y && right.x > left.x + left.width - 1, "before stands left of after");
    assert.ok((await page.textContent(".beside thead")).includes("holds now"));
    if (javaScriptEnabled) await nothingIsWrong(page, "the editor with a change");
    await page.setViewportSize({ width: 360, height: 740 });
    const [above, below] = [await gone.boundingBox(), await come.boundingBox()];
    assert.ok(above.x === below.x && below.y >= above.y + above.height - 1, "before stands above after");
    await page.setViewportSize({ width: 1280, height: 900 });

    await page.fill("#message", "99 is enough");
    await page.click('button[value="save"]');
    await page.waitForURL((url) => url.pathname === `/projects/ops/jobs/${NAME}`);
    await page.goto(HISTORY);
    assert.match(await page.textContent("tbody tr"), /99 is enough/);
    assert.deepEqual(await come.allTextContents(), ["    max: 99"]);
    if (javaScriptEnabled) await nothingIsWrong(page, "the history");

    await page.click("text=Restore …");
    assert.equal(await text(page), good);
    await page.click('button[value="diff"]');
    assert.match(await page.inputValue("#message"), /Restore revision \d/);
    await page.click('button[value="save"]');
    await page.waitForURL((url) => url.pathname === `/projects/ops/jobs/${NAME}`);
    assert.deepEqual(admin.problems, []);
    await admin.context.close();
  });
}
