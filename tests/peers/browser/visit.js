// A person at a PC: Chromium, driven through the self-service pages, with screenshots and axe-core's rules.
//
// Usage: node visit.js ADDRESS CHROMIUM MODULES SCREENSHOTS WAY, where WAY is "mouse", "keyboard" or "no-javascript". It says "CODE?" when it waits for the
// code of the phone on its standard input, and "DONE" at the end.
const path = require('path');
const readline = require('readline');

const [address, chromium, modules, shots, way] = process.argv.slice(2);
const puppeteer = require(path.join(modules, 'puppeteer-core'));
const axe = require.resolve(path.join(modules, 'axe-core'));
const phone = '13800138078';
const password = 'correct horse battery';
const lines = readline.createInterface({ input: process.stdin });
const typed = lines[Symbol.asyncIterator]();

let page;
async function shoot(name) {
  for (const [size, width] of [['wide', 1280], ['narrow', 390]]) {
    await page.setViewport({ width, height: 800 });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth).catch(() => 0);
    if (over > 0) throw new Error(`${name} is ${over} px too wide at ${width}`);
    if (shots !== '-') await page.screenshot({ path: path.join(shots, `${way}-${name}-${size}.png`), fullPage: true });
  }
  await page.setViewport({ width: 1280, height: 800 });
}

async function judge(name) {
  if (way === 'no-javascript') return;
  await page.setBypassCSP(true);
  await page.reload();
  await page.addScriptTag({ path: axe });
  for (const scheme of ['light', 'dark']) {
    // Without motion, so that no colour is measured half way to another.
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }]);
    const found = await page.evaluate(() => window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice'] }));
    if (found.violations.length) throw new Error(`${name} ${scheme}: ${JSON.stringify(found.violations.map((it) => [it.id, it.nodes.map((n) => n.html)]))}`);
    if (scheme === 'dark' && shots !== '-') await page.screenshot({ path: path.join(shots, `${way}-${name}-dark.png`), fullPage: true });
  }
  await page.emulateMediaFeatures([]);
  await page.setBypassCSP(false);
}

// By keyboard alone: Tab until the focus is there, and the focus must be seen.
async function tabTo(selector) {
  for (let i = 0; i < 60; i += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate((it) => document.activeElement !== document.body && document.activeElement.matches(it), selector)) {
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      if (outline === 'none') throw new Error(`nobody sees the focus on ${selector}`);
      return;
    }
  }
  throw new Error(`no Tab comes to ${selector}`);
}

async function fill(selector, text) {
  if (way === 'keyboard') await tabTo(selector); else await page.focus(selector);
  await page.keyboard.type(text);
}

async function press(selector) {
  if (way === 'keyboard') await tabTo(selector);
  await Promise.all([
    page.waitForNavigation(),
    way === 'keyboard' ? page.keyboard.press(selector.includes('check') ? 'Space' : 'Enter') : page.click(selector),
  ]);
}

async function expect(words) {
  const body = await page.content();
  if (!body.includes(words)) throw new Error(`${words} is not on ${page.url()}: ${body}`);
}

(async () => {
  const args = ['--no-sandbox', '--lang=en', '--disable-gpu'];
  const browser = await puppeteer.launch({ executablePath: chromium, args, headless: true });
  page = (await browser.pages())[0];
  await page.setExtraHTTPHeaders({ 'accept-language': 'en' });
  await page.setJavaScriptEnabled(way !== 'no-javascript');
  const refused = [];
  page.on('console', (message) => { // There is no icon, which every browser asks for.
    if (message.type() === 'error' && !(message.location().url || '').endsWith('/favicon.ico')) refused.push(message.text()); });
  await page.goto(address);
  await expect('Phone number');
  await shoot('sign-in');
  await judge('sign-in');
  await fill('#phone', phone);
  await press('main button');
  console.log('CODE?');
  const code = (await typed.next()).value.trim();
  await fill('#code', code);
  await fill('#password', 'wrong horse battery');
  await press('main button');
  await expect('is not right');
  await shoot('refused');
  await fill('#code', code);
  await fill('#password', password);
  await press('main button');
  await expect('<h1>Overview');
  for (const [name, at, words] of [
    ['overview', '/', 'Cards and accounts'],
    ['purchases', '/purchases', 'Purchases over all banks'],
    ['bills', '/bills', 'In all'],
    ['consents', '/consents', 'Who has asked'],
    ['freeze', '/freeze', 'Safety code'],
  ]) {
    await page.goto(address + at);
    await expect(words);
    await shoot(name);
    await judge(name);
  }
  await page.goto(address + '/purchases');
  await press('tbody th a');
  await expect('What was bought');
  await shoot('purchase');
  await judge('purchase');
  await page.goto(address + '/freeze');
  if (way === 'keyboard') { await tabTo('input[value=all]'); await page.keyboard.press('Space'); } else await page.click('input[value=all]');
  await fill('#freeze-code', '27182818');
  await press('button.danger');
  await expect('It is frozen here from now on');
  await page.goto(address + '/?lang=zh-CN');
  await expect('总览');
  await shoot('chinese');
  await press('form.out button');
  await expect('您已退出登录');
  await browser.close();
  // The refused password is the one error that a browser may report.
  const others = refused.filter((it) => !it.includes('403'));
  if (others.length) throw new Error(others.join('\n'));
  console.log('DONE');
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
