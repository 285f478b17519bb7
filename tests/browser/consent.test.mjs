// From the client to Forgejo and back, in a real browser.
import { strict as assert } from 'node:assert';
import { after, before, test } from 'node:test';
import * as house from './house.mjs';

const { APP_PORT, APP_URL, GIT_URL, MCP_URL } = house;
let app;
before(async () => { app = await house.application(); });
after(async () => { await house.close(); app.close(); });

test('the consent page is legible in every light, on a telephone and to axe', async () => {
  const page = await house.open();
  const web = await house.client('Claude', `${APP_URL}/callback`);
  await page.goto(web.ask().url);
  assert.match(await page.locator('main').innerText(), /unverified name/);
  await house.look(page, 'consent');
  const local = await house.client('A program \u202e with a rather long name that tells a whole story', 'http://127.0.0.1:1/cb');
  await page.goto(local.ask().url);
  assert.match(await page.locator('.warning').innerText(), /Any program on this device/);
  await house.look(page, 'consent-loopback');
  await house.done(page);
});

test('allowing it without JavaScript ends at the client with a code', async () => {
  const page = await house.open({ javaScriptEnabled: false });
  const web = await house.client('No script', `${APP_URL}/callback`);
  const asked = web.ask();
  await page.goto(asked.url);
  await page.getByLabel('Only read').check();
  await page.getByRole('button', { name: 'Allow' }).click();
  await house.atForgejo(page, 'alice');
  assert.ok(page.url().startsWith(`${APP_URL}/callback?`), page.url());
  assert.equal((await web.redeem(asked, page.url())).scope, 'read');
  const cookies = await page.context().cookies(MCP_URL);
  assert.ok(cookies.every((cookie) => cookie.name.startsWith('__Host-') && cookie.secure && cookie.httpOnly), JSON.stringify(cookies));
  await house.done(page);
});

test('somebody who is logged in and has granted before comes straight back, to the web, to this machine and to an app', async () => {
  const page = await house.open();
  await house.connect(page, 'alice', 'First');
  const forgejo = [];
  page.on('framenavigated', (frame) => { if (frame.url().startsWith(GIT_URL)) forgejo.push(frame.url()); });
  const answers = [];
  page.on('response', (response) => {
    if (response.url().startsWith(`${MCP_URL}/oauth/callback`)) answers.push(response.headers().location);
  });
  for (const uri of [`${APP_URL}/callback`, `http://127.0.0.1:${APP_PORT}/callback`, 'com.example.agent:/callback']) {
    const target = await house.client('Again', uri);
    const asked = target.ask();
    await page.goto(asked.url);
    answers.length = 0;
    await page.getByRole('button', { name: 'Allow' }).click();
    if (uri.startsWith('http')) {
      await page.waitForURL((url) => url.href.startsWith(uri));
      assert.equal(await page.locator('h1').innerText(), 'Back in the app');
    } else {
      // There is no such app here: the browser says that it tried.
      await page.waitForEvent('console', { predicate: (message) => message.text().includes('com.example.agent:'), timeout: 20_000 })
        .catch(() => assert.ok(page.console.some((text) => text.includes('com.example.agent:')), page.console.join('\n')));
    }
    assert.equal(answers.length, 1);
    assert.ok(answers[0].startsWith(uri), answers[0]);
    assert.equal((await target.redeem(asked, answers[0])).scope, 'read write');
  }
  assert.deepEqual(forgejo, [], 'Forgejo showed nothing');
  await house.done(page);
});

test('opening the page twice does no harm', async () => {
  const page = await house.open();
  const web = await house.client('Twice', `${APP_URL}/callback`);
  const asked = web.ask();
  await page.goto(asked.url);
  const second = await page.context().newPage();
  await second.goto(asked.url);
  await second.close();
  await page.getByRole('button', { name: 'Allow' }).click();
  await house.atForgejo(page, 'bob');
  await web.redeem(asked, page.url());
  await house.done(page);
});

test('denying it grants nothing and names where one may go on', async () => {
  const page = await house.open();
  const web = await house.client('Denied', `${APP_URL}/callback`);
  await page.goto(web.ask().url);
  await page.getByRole('button', { name: 'Deny' }).click();
  assert.match(await page.locator('h1').innerText(), /Access denied/);
  await house.look(page, 'denied');
  await page.getByRole('link').click();
  await page.waitForURL((url) => url.href.startsWith(APP_URL));
  assert.equal(new URL(page.url()).searchParams.get('error'), 'access_denied');
  await house.done(page);
});

test('everything can be done by keyboard, and where one is can be seen', async () => {
  const page = await house.open();
  const web = await house.client('Keys', `${APP_URL}/callback`);
  const asked = web.ask();
  await page.goto(asked.url);
  const focused = () => page.evaluate(() => {
    const element = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    return { id: element.id, text: element.innerText, seen: outlineStyle !== 'none' && outlineWidth !== '0px' };
  });
  const tabTo = async (wanted) => {
    for (let presses = 0; presses < 20; presses += 1) {
      await page.keyboard.press('Tab');
      const now = await focused();
      assert.ok(now.seen, `no focus ring on ${JSON.stringify(now)}`);
      if (now.id === wanted || now.text === wanted) return;
    }
    assert.fail(`${wanted} is not reached`);
  };
  await tabTo('access-write');
  await page.keyboard.press('ArrowDown');
  assert.equal((await focused()).id, 'access-read');
  await tabTo('repositories-all');
  await page.keyboard.press('ArrowDown');
  await house.shot(page, 'consent-keyboard');
  await tabTo('Allow');
  await page.keyboard.press('Enter');
  await page.waitForLoadState();
  await house.atForgejo(page, 'alice');
  assert.match(page.url(), /\/oauth\/repositories\//);

  await page.locator('body').press('Tab');
  await page.locator('#q').focus();
  await page.keyboard.type('alice/hello');
  await page.keyboard.press('Enter');
  await page.waitForURL(/q=alice/);
  assert.equal(await page.getByRole('checkbox').count(), 1, 'Enter searches and grants nothing');
  await page.getByRole('checkbox').focus();
  await page.keyboard.press('Space');
  await tabTo('Allow these repositories');
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.href.startsWith(APP_URL));
  await web.redeem(asked, page.url());
  await house.done(page);
});

test('a browser that keeps no cookies is told what to do', async () => {
  const page = await house.open();
  const web = await house.client('No cookies', `${APP_URL}/callback`);
  await page.goto(web.ask().url);
  await page.context().clearCookies();
  await page.getByRole('button', { name: 'Allow' }).click();
  const text = await page.locator('main').innerText();
  assert.match(text, /keeps no cookies/);
  assert.match(text, /usual browser/);
  await house.look(page, 'error-cookies');
  await house.done(page);
});
