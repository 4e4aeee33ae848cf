// Two operators at the console: Chromium, with screenshots and axe-core's rules.
//
// Usage: node console.js ADDRESS CHROMIUM MODULES SCREENSHOTS. It says "CODE?" when it waits for a one-time password on its standard
// input, first of ann and then of bob, "DIE" when a notice is to be given up, and "DONE" at the end.
const path = require('path');
const readline = require('readline');

const [address, chromium, modules, shots] = process.argv.slice(2);
const puppeteer = require(path.join(modules, 'puppeteer-core'));
const axe = require.resolve(path.join(modules, 'axe-core'));
const password = 'correct horse battery';
const lines = readline.createInterface({ input: process.stdin });
const typed = lines[Symbol.asyncIterator]();

let page;
async function shoot(name) {
  for (const [size, width] of [['wide', 1280], ['narrow', 390]]) {
    await page.setViewport({ width, height: 800 });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (over > 0) throw new Error(`${name} is ${over} px too wide at ${width}`);
    if (shots !== '-') await page.screenshot({ path: path.join(shots, `console-${name}-${size}.png`), fullPage: true });
  }
  await page.setViewport({ width: 1280, height: 800 });
}

async function judge(name) {
  await page.setBypassCSP(true);
  await page.reload();
  await page.addScriptTag({ path: axe });
  for (const scheme of ['light', 'dark']) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }]);
    const found = await page.evaluate(() => window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice'] }));
    if (found.violations.length) throw new Error(`${name} ${scheme}: ${JSON.stringify(found.violations.map((it) => [it.id, it.nodes.map((n) => n.html)]))}`);
  }
  await page.emulateMediaFeatures([]);
  await page.setBypassCSP(false);
}

// In one go: a page that follows the hub may put new elements in the place of those that were found.
async function press(selector) {
  await Promise.all([page.waitForNavigation(), page.evaluate((it) => document.querySelector(it).click(), selector)]);
}

async function expect(words) {
  const body = await page.content();
  if (!body.includes(words)) throw new Error(`${words} is not on ${page.url()}: ${body}`);
}

async function signIn(name) {
  await page.goto(address);
  await page.type('#operator', name);
  await page.type('#password', password);
  console.log('CODE?');
  await page.type('#code', (await typed.next()).value.trim());
  await press('main button');
  await expect('<h1>Overview');
}

(async () => {
  const args = ['--no-sandbox', '--lang=en', '--disable-gpu'];
  const browser = await puppeteer.launch({ executablePath: chromium, args, headless: true });
  page = (await browser.pages())[0];
  page.setDefaultTimeout(120000); // What is shown is judged, and not how fast a busy machine shows it.
  await page.setExtraHTTPHeaders({ 'accept-language': 'en' });
  const refused = [];
  page.on('console', (message) => { // There is no icon, which every browser asks for.
    if (message.type() === 'error' && !(message.location().url || '').endsWith('/favicon.ico')) refused.push(message.text()); });
  page.on('dialog', () => refused.push('a script ran'));
  await page.goto(address);
  await shoot('sign-in');
  await judge('sign-in');
  await signIn('ann');
  for (const [name, at, words] of [
    ['overview', '/', 'Payments a second'],
    ['payments', '/payments', 'till-1'],
    ['doubt', '/doubt', 'In doubt'],
    ['banks', '/banks', 'Banks'],
    ['terminals', '/terminals', 'till-1'],
    ['freezes', '/freezes', 'Freezes'],
    ['letters', '/dead-letters', 'SMPP_58'],
    ['inquiries', '/inquiries', 'Credit inquiries'],
    ['log', '/log', 'CONSOLE_SIGNED_IN'],
    ['operators', '/operators', 'ADMIN'],
  ]) {
    await page.goto(address + at);
    await expect(words);
    await shoot(name);
    await judge(name);
  }
  await page.goto(address + '/payments?terminal=till-1');
  await press('tbody td a');
  await expect('Leg at the bank');
  await shoot('payment');
  await judge('payment');
  await page.goto(address + '/dead-letters');
  await press('form[action="/dead-letters/retry"] button');
  await expect('It is queued again.');
  // What happens while a page is open is seen without reading it again.
  let loads = 0;
  await page.goto(address + '/');
  page.on('load', () => { loads += 1; });
  console.log('DIE');
  await page.waitForFunction(() => document.querySelector('[data-figure="dead"]').textContent === '1');
  if (loads) throw new Error('the overview was loaded again');
  await page.goto(address + '/dead-letters');
  loads = 0;
  console.log('DIE');
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 2);
  if (loads) throw new Error('the dead letters were loaded again');
  await page.goto(address + '/terminals');
  await page.type('#why-till-1', 'it was stolen');
  await press('form[action="/terminals/suspend"] button');
  await expect('It waits for a second person.');
  await page.goto(address + '/approvals');
  await expect('Take back');
  if ((await page.content()).includes('/approve"')) throw new Error('ann is asked to approve what she has proposed');
  await press('form.out button');
  await expect('You are signed out.');
  await signIn('bob');
  await page.goto(address + '/approvals');
  await shoot('approvals');
  await judge('approvals');
  await press('form[action$="/approve"] button');
  await expect('DONE');
  await shoot('approved');
  await page.goto(address + '/?lang=zh-CN');
  await expect('总览');
  await shoot('chinese');
  await browser.close();
  if (refused.length) throw new Error(refused.join('\n'));
  console.log('DONE');
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
