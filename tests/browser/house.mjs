// What the tests share: a browser, people who log in, clients that ask, and axe.
import { strict as assert } from 'node:assert';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

export const { MCP_URL, MCP_DIRECT, GIT_URL, APP_URL, APP_PORT, LEVERS_URL } = process.env;
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const shots = new URL('./screenshots/', import.meta.url).pathname;
mkdirSync(shots, { recursive: true });

export const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

let browser;

export async function launch() {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ['--host-resolver-rules=MAP *.test 127.0.0.1', ...(process.getuid() === 0 ? ['--no-sandbox'] : [])],
  });
  return browser;
}

export async function close() {
  await browser?.close();
}

// A window of its own: cookies, size, colours. Its console is watched: a page that breaks its own policy is a failure.
export async function open(options = {}) {
  const context = await (await launch()).newContext({ ignoreHTTPSErrors: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.complaints = [];
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) page.complaints.push(message.text());
  });
  page.console = [];
  page.on('console', (message) => page.console.push(message.text()));
  return page;
}

export async function done(page) {
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}

// A client that registers itself, and the address at which it begins an authorization.
export async function client(name, redirectUri, scope) {
  const registered = await fetch(`${MCP_DIRECT}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: name, redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }),
  });
  assert.equal(registered.status, 201);
  const { client_id } = await registered.json();
  return {
    id: client_id,
    redirectUri,
    ask() {
      const verifier = randomBytes(32).toString('base64url');
      const state = randomBytes(16).toString('base64url');
      const url = new URL('/oauth/authorize', MCP_URL);
      const challenge = createHash('sha256').update(verifier).digest('base64url');
      for (const [key, value] of Object.entries({
        response_type: 'code', client_id, redirect_uri: redirectUri, state, code_challenge: challenge,
        code_challenge_method: 'S256', resource: `${MCP_URL}/mcp`, ...(scope ? { scope } : {}),
      })) url.searchParams.set(key, value);
      return { url: url.href, state, verifier };
    },
    // The tokens for what the browser was sent back with.
    async redeem(asked, back) {
      const answer = new URL(back).searchParams;
      assert.equal(answer.get('state'), asked.state);
      assert.equal(answer.get('iss'), MCP_URL);
      const token = await fetch(`${MCP_DIRECT}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'authorization_code', code: answer.get('code'), redirect_uri: redirectUri, client_id,
          code_verifier: asked.verifier,
        }),
      });
      const body = await token.json();
      assert.equal(token.status, 200, JSON.stringify(body));
      return body;
    },
  };
}

// Forgejo's pages: login, and its own question the first time.
export async function atForgejo(page, login) {
  if (!page.url().startsWith(GIT_URL)) return;
  if (await page.locator('[name=user_name]').count()) {
    await page.fill('[name=user_name]', login);
    await page.fill('[name=password]', `${login}-password`);
    await page.locator('form button, form input[type=submit]').first().click();
    await page.waitForLoadState();
  }
  if (page.url().startsWith(GIT_URL) && (await page.locator('[name=granted]').count())) {
    await page.locator('button[name=granted][value=true], form button').first().click();
    await page.waitForLoadState();
  }
}

export async function logInToAccount(page, login) {
  await page.goto(`${MCP_URL}/account`);
  await page.getByRole('button', { name: /Log in with/ }).click();
  await atForgejo(page, login);
  assert.equal(page.url(), `${MCP_URL}/account`);
}

// A client connected by its user; leaves the browser at the client.
export async function connect(page, login, name) {
  const app = await client(name, `${APP_URL}/callback`);
  const asked = app.ask();
  await page.goto(asked.url);
  await page.getByRole('button', { name: 'Allow' }).click();
  await atForgejo(page, login);
  return { app, tokens: await app.redeem(asked, page.url()) };
}

// The client's end, for its web address and for one on this machine.
export function application() {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><html lang="en"><title>App</title><h1>Back in the app</h1>');
  });
  return new Promise((resolve) => server.listen(Number(APP_PORT), '127.0.0.1', () => resolve(server)));
}

// No violation of any rule that axe knows, best practices included.
export async function axe(page, name) {
  await page.evaluate(axeSource);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const told = violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join(' | ')}`);
  assert.deepEqual(told, [], `axe on ${name}`);
  assert.ok(passes.length > 10, `axe looked at ${name}`);
}

export async function shot(page, name) {
  await page.screenshot({ path: `${shots}${name}.png`, fullPage: true });
}

// The page as it is, in the dark, and on a telephone: looked at by axe each time, photographed, never wider than the window.
export async function look(page, name) {
  const size = page.viewportSize();
  for (const [kind, colorScheme, viewport] of [
    ['light', 'light', size],
    ['dark', 'dark', size],
    ['phone', 'light', PHONE.viewport],
    ['phone-dark', 'dark', { width: 320, height: 640 }],
  ]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    await axe(page, `${name}, ${kind}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${name}, ${kind}: ${wide} px too wide`);
    await shot(page, `${name}-${kind}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(size);
}

export async function lever(name) {
  assert.equal((await fetch(`${LEVERS_URL}/${name}`, { method: 'POST' })).status, 200);
}
