// Choosing repositories, in a real browser.
import { strict as assert } from 'node:assert';
import { after, before, test } from 'node:test';
import * as house from './house.mjs';

const { APP_URL } = house;
let app;
before(async () => { app = await house.application(); });
after(async () => { await house.close(); app.close(); });

async function choice(page, name) {
  const web = await house.client(name, `${APP_URL}/callback`);
  const asked = web.ask();
  await page.goto(asked.url);
  await page.getByLabel('Let me choose after logging in').check();
  await page.getByRole('button', { name: 'Allow' }).click();
  await house.atForgejo(page, 'alice');
  assert.match(page.url(), /\/oauth\/repositories\//);
  return { web, asked };
}

const search = async (page, text) => {
  await page.getByRole('searchbox').fill(text);
  await page.getByRole('button', { name: 'Search' }).click();
};

for (const javaScriptEnabled of [true, false]) {
  test(`repositories are searched, ticked and allowed ${javaScriptEnabled ? 'with' : 'without'} JavaScript`, async () => {
    const page = await house.open({ javaScriptEnabled });
    const { web, asked } = await choice(page, 'Claude');
    await page.getByRole('button', { name: 'Next page' }).click();
    await page.getByRole('button', { name: 'Previous page' }).click();
    await search(page, 'alice/hello');
    await page.getByLabel('alice/hello').check();
    await search(page, 'experiment-1');
    assert.ok(await page.getByLabel('alice/hello').isChecked(), 'what was ticked stays');
    await page.getByLabel('alice/experiment-12').check();
    await search(page, '');
    assert.ok(await page.getByLabel('alice/experiment-12').isChecked());
    await page.getByLabel('alice/experiment-12').uncheck();
    await page.getByRole('button', { name: 'Allow these repositories' }).click();
    await page.waitForURL((url) => url.href.startsWith(APP_URL));
    await web.redeem(asked, page.url());
    await house.done(page);
  });
}

test('the page is legible in every light, on a telephone and to axe', async () => {
  const page = await house.open();
  await choice(page, 'A program with a name');
  await house.look(page, 'repositories');
  await search(page, 'alice');
  await page.getByLabel('alice/experiment-01').check();
  await page.getByLabel(/alice\/a-repository-with/).check();
  await search(page, 'o');
  await house.look(page, 'repositories-chosen');
  await search(page, 'nothing is called like this');
  await house.shot(page, 'repositories-none');
  await page.getByLabel('alice/experiment-01').uncheck();
  await page.getByLabel(/alice\/a-repository-with/).uncheck();
  await page.getByRole('button', { name: 'Allow these repositories' }).click();
  assert.match(await page.getByRole('alert').innerText(), /Tick at least one/);
  await house.look(page, 'repositories-notice');
  await house.done(page);
});

test('while Forgejo is away the page says so and keeps what is ticked', async () => {
  const page = await house.open();
  await choice(page, 'Patient');
  await search(page, 'alice/hello');
  await page.getByLabel('alice/hello').check();
  await search(page, 'alice');
  await house.lever('down');
  await search(page, 'acme');
  assert.match(await page.getByRole('alert').innerText(), /does not answer/);
  assert.ok(await page.getByLabel('alice/hello').isChecked());
  await house.look(page, 'repositories-away');
  await house.lever('up');
  await house.done(page);
});
