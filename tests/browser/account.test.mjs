// The account page and what anybody may see, in a real browser.
import { strict as assert } from 'node:assert';
import { after, before, test } from 'node:test';
import * as house from './house.mjs';

const { MCP_DIRECT, MCP_URL } = house;
let app;
before(async () => { app = await house.application(); });
after(async () => { await house.close(); app.close(); });

const refresh = async ({ app: { id }, tokens }) => {
  const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token, client_id: id });
  const answer = await fetch(`${MCP_DIRECT}/oauth/token`, { method: 'POST', body: form });
  return { status: answer.status, body: await answer.json() };
};

test('the front page tells every client how to connect', async () => {
  const page = await house.open();
  await page.goto(MCP_URL);
  await house.look(page, 'landing');
  for (const client of ['Claude Code', 'VS Code', 'Gemini CLI']) await page.getByText(client, { exact: true }).click();
  assert.ok(await page.getByText(`gemini mcp add --transport http forgejo ${MCP_URL}/mcp`).isVisible());
  await house.look(page, 'landing-open');
  await house.done(page);
});

test('connections are seen, narrowed and ended, and activity is told', async () => {
  const page = await house.open();
  const first = await house.connect(page, 'bob', 'Claude');
  const second = await house.connect(page, 'bob', 'An \u202e editor with <b>markup</b>');
  await page.goto(`${MCP_URL}/account`);
  await house.look(page, 'entry');
  await house.logInToAccount(page, 'bob');
  const cookie = (await page.context().cookies(MCP_URL)).find(({ name }) => name === '__Host-fjb_account');
  assert.ok(cookie?.httpOnly && cookie.secure && cookie.sameSite === 'Lax' && cookie.path === '/', JSON.stringify(cookie));
  await house.look(page, 'account');

  await page.getByRole('link', { name: 'Claude', exact: true }).click();
  await house.look(page, 'connection');
  await page.getByRole('button', { name: 'Let it only read' }).click();
  assert.match(await page.getByRole('status').innerText(), /in effect now/);
  assert.equal((await refresh(first)).body.scope, 'read');
  await page.getByRole('button', { name: 'Limit it to some repositories' }).click();
  await page.getByRole('searchbox').fill('acme');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByLabel('acme/rocket').check();
  await house.look(page, 'repositories-change');
  await page.getByRole('button', { name: 'Save' }).click();
  assert.match(await page.locator('main').innerText(), /1 chosen repository/);
  await house.look(page, 'connection-narrow');

  await page.getByRole('link', { name: 'Your connections', exact: true }).click();
  await page.getByRole('button', { name: /End the connection of An/ }).click();
  assert.match(await page.getByRole('status').innerText(), /has ended/);
  assert.equal((await refresh(second)).status, 400);

  await page.getByRole('link', { name: 'Activity', exact: true }).click();
  await page.waitForFunction(() => document.body.innerText.includes('You ended a connection') || (location.reload(), false));
  await house.look(page, 'activity');

  await page.getByRole('link', { name: 'Your connections', exact: true }).click();
  await page.getByText('End all connections').click();
  await house.shot(page, 'account-end-all');
  await page.getByRole('button', { name: /^End all/ }).click();
  assert.match(await page.locator('main').innerText(), /No program is connected/);
  await house.look(page, 'account-empty');

  await page.getByRole('button', { name: 'Log out' }).click();
  assert.match(await page.getByRole('status').innerText(), /logged out here/);
  await page.goBack();
  await page.reload();
  assert.ok(await page.getByRole('button', { name: /Log in with/ }).isVisible(), 'the way back leads to the login');
  await house.done(page);
});

test('an error says what was wrong, what to do, and under which id to ask', async () => {
  const page = await house.open();
  await page.goto(`${MCP_URL}/oauth/authorize?client_id=gone`);
  const id = (await page.locator('footer code').innerText()).trim();
  assert.match(id, /^[0-9a-f]{16}$/);
  assert.match(await page.locator('main').innerText(), /What you can do/);
  await house.look(page, 'error-client');
  await page.goto(`${MCP_URL}/oauth/callback?state=x&code=y`);
  await house.look(page, 'error-callback');
  await page.goto(`${MCP_URL}/oauth/repositories/none`);
  await house.axe(page, 'error-choice');
  await page.goto(`${MCP_URL}/no/such/page`);
  await house.shot(page, 'error-nothing');
  await house.done(page);
});

test('the account page works by keyboard', async () => {
  const page = await house.open();
  await house.connect(page, 'alice', 'Keyed');
  await house.logInToAccount(page, 'alice');
  const seen = [];
  for (let presses = 0; presses < 12; presses += 1) {
    await page.keyboard.press('Tab');
    seen.push(await page.evaluate(() => {
      const element = document.activeElement;
      if (element === document.body) return 'the window';
      if (getComputedStyle(element).outlineStyle === 'none') return `no ring on ${element.outerHTML}`;
      return element.innerText || element.id;
    }));
  }
  assert.deepEqual(seen.slice(0, 3), ['Your connections', 'Activity', 'Log out']);
  assert.ok(seen.every((text) => !text.startsWith('no ring')), seen.join('\n'));
  await house.done(page);
});
