// The control page in headless Chromium: readable at each width and in each colour scheme, and each button does to the
// gateway what it says. With SCREENSHOTS=FOLDER, pictures of it are left there.

import assert from "node:assert/strict";
import puppeteer from "puppeteer-core";
import { send } from "./http.mjs";

const [gateway, url] = process.argv.slice(2);
// Less than a slow reply takes.
const PATIENCE = 2_000;
const MARKUP = "<img src=x onerror=alert(1)>";

const ask = (identity, patience) => send(`${gateway}/v1/sessions`, {
  method: "POST",
  headers: { Authorization: "Bearer my-app:my-secret", "Content-Type": "application/json" },
  body: JSON.stringify({ identity, scopes: [] }),
  patience,
});
const call = token => send(`${gateway}/v1/videos`, { headers: { Authorization: `Bearer ${token}` } });
const token = async () => JSON.parse((await ask("user-17")).body).sessionToken;

// What a client sees of each fault, in the words of `outcome`.
const OUTCOMES = {
  slow: "ETIMEDOUT",
  lost: "ETIMEDOUT",
  reset_before: "ECONNRESET",
  reset_after: "ECONNRESET",
  throttled: "429",
  unavailable: "503",
  refused: "401",
  error_string: "error string",
  error_object: "error object",
  distrusted: "API 401",
  expired_token: "expired",
  expiry_missing: "expiry undefined",
  expiry_unreadable: "expiry next Tuesday",
  another_identity: "for user-17-else",
  date_off: "date ahead",
  date_missing: "no date",
  portal: "page",
  cut_off: "cut off",
  cut_in_character: "not UTF-8",
  oversized: "oversized",
  redirected: "307",
};

async function outcome(fault) {
  if (fault === "distrusted") return (await call(live)).status === 401 ? "API 401" : "good";
  let reply;
  try {
    reply = await ask("user-17", ["slow", "lost"].includes(fault) ? PATIENCE : undefined);
  } catch (error) {
    return error.code;
  }
  const body = reply.body.toString();
  if (reply.status !== 200) return `${reply.status}`;
  if (reply.body.length > 65_536) return "oversized";
  if (body.startsWith("<!doctype")) return "page";
  if (body.endsWith("\ufffd")) return "not UTF-8";
  if (!body.endsWith("}")) return "cut off";
  const { error, identity, expiresAt } = JSON.parse(body), expires = Date.parse(expiresAt);
  if (error) return `error ${typeof error}`;
  if (identity !== "user-17") return `for ${identity}`;
  if (Number.isNaN(expires)) return `expiry ${expiresAt}`;
  if (expires < Date.now()) return "expired";
  if (!reply.headers.date) return "no date";
  return Date.parse(reply.headers.date) > Date.now() + 3_000_000 ? "date ahead" : "good";
}

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
const live = await token();
// What the page reports of itself, a violation of its Content-Security-Policy included.
const errors = [];

async function open(width, scheme) {
  const page = await browser.newPage();
  page.on("console", message => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", error => errors.push(`${error}`));
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url, { waitUntil: "domcontentloaded" });
  await page.waitForFunction(() => document.getElementById("status").textContent === "connected");
  await page.waitForFunction(() => document.querySelector("#timeline .mark"));
  return page;
}

const isPressed = (page, fault, pressed) => page.waitForFunction(
  (fault, pressed) => document.querySelector(`[data-fault=${fault}]`).ariaPressed === pressed,
  { polling: 20 }, fault, `${pressed}`);

// Sets faults so that the page has texts of every kind, and ends them.
async function populate() {
  const page = await open(1_280, "light");
  await ask(MARKUP);
  await ask("device-0a41-b77c-a-name-without-an-end-0a41-b77c-a-name-without-an-end");
  await call(live);
  await call("another");
  await page.click("[data-fault=reset_before]");
  await isPressed(page, "reset_before", true);
  await assert.rejects(ask("user-17"));
  await page.click("[data-fault=reset_before]");
  await isPressed(page, "reset_before", false);
  await page.click("[data-fault=cut_off]");
  await isPressed(page, "cut_off", true);
  await page.close();
}

// Returns what is wrong with how the page looks.
function faultsOfLook() {
  const found = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) found.push("the page scrolls sideways");
  for (const element of document.querySelectorAll("body *")) {
    const { left, right } = element.getBoundingClientRect();
    if (left < -0.5 || right > width + 0.5) found.push(`${element.tagName} at ${left} to ${right}`);
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth) found.push(`${element.tagName}: too wide a text`);
  }
  const parse = colour => colour.match(/[\d.]+/g).map(Number);
  const luminance = colour => {
    const [r, g, b] = parse(colour).slice(0, 3).map(part => part / 255).map(
      part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      const [, , , alpha = 1] = parse(colour);
      if (alpha === 1) return colour;
      if (alpha > 0) found.push(`${one.tagName}: a translucent background`);
    }
    return "rgb(255, 255, 255)";
  };
  const check = (element, style, text) => {
    const colour = element instanceof SVGElement ? style.fill : style.color;
    const [dark, light] = [luminance(colour), luminance(ground(element))].sort((a, b) => a - b);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) found.push(`contrast ${contrast.toFixed(2)} of "${text}"`);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let checked = 0;
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, text = texts.currentNode.data.trim();
    if (!text || !element.checkVisibility()) continue;
    check(element, getComputedStyle(element), text);
    checked += 1;
  }
  for (const element of document.querySelectorAll("#legend li, .planned")) {
    check(element, getComputedStyle(element, "::before"), `mark of ${element.textContent}`);
  }
  if (checked < 60) found.push(`only ${checked} texts`);
  return found;
}

async function look(width, scheme) {
  const page = await open(width, scheme);
  assert.deepEqual(await page.evaluate(faultsOfLook), [], `${width} px, ${scheme}`);
  assert.ok(await page.$(".planned[data-fault=date_off]"), "what the plan began is marked");
  assert.equal(await page.$("tbody img"), null, "no markup from a client");
  const body = await page.$eval("#requests tbody", body => body.textContent);
  assert.ok(body.includes(MARKUP), "a client's text is shown as text");
  if (process.env.SCREENSHOTS) {
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/gateway-${width}-${scheme}.png`, fullPage: true });
  }
  await page.evaluate(() => connected(false, "not connected: does the gateway run?"));
  assert.deepEqual(await page.evaluate(faultsOfLook), [], `${width} px, ${scheme}, not connected`);
  await page.close();
}

async function pressEach() {
  const page = await open(360, "light");
  await page.click("#release");
  await isPressed(page, "cut_off", false);
  const faults = await page.$$eval("[data-fault]", all => all.map(button => button.dataset.fault));
  assert.deepEqual(faults.toSorted(), Object.keys(OUTCOMES).toSorted());
  // By the mouse or the keyboard, in turn.
  const press = async (fault, index) => {
    const button = `[data-fault=${fault}]`;
    if (index % 2) await page.click(button);
    else await (await page.$(button)).press(index % 4 ? "Enter" : "Space");
  };
  for (const [index, fault] of faults.entries()) {
    await press(fault, index);
    await isPressed(page, fault, true);
    assert.equal(await outcome(fault), OUTCOMES[fault], `${fault}, pressed`);
    await press(fault, index);
    await isPressed(page, fault, false);
    assert.equal(await outcome(), "good", `${fault}, released`);
    assert.equal((await call(live)).status, 200, `${fault}, released`);
  }
  return page;
}

async function pressTheRest(page) {
  for (const fault of ["refused", "portal", "lost"]) {
    await page.click(`[data-fault=${fault}]`);
    await isPressed(page, fault, true);
  }
  await page.click("#release");
  for (const fault of ["refused", "portal", "lost"]) await isPressed(page, fault, false);
  assert.equal(await outcome(), "good");
  assert.ok(await page.$(".planned[data-fault=date_off]"), "the plan's goes on");

  await page.click("#revoke");
  await page.waitForFunction(() => document.querySelector("#sessions tbody .life").textContent === "revoked");
  assert.equal((await call(live)).status, 401);

  const marks = () => page.$$eval("#timeline .mark", marks => marks.length);
  const before = await marks();
  await ask("user-17");
  await page.waitForFunction(before => document.querySelectorAll("#timeline .mark").length > before, {}, before);
}

try {
  await populate();
  for (const width of [360, 1_280]) {
    for (const scheme of ["light", "dark"]) await look(width, scheme);
  }
  await pressTheRest(await pressEach());
  assert.deepEqual(errors, []);
} finally {
  await browser.close();
}
