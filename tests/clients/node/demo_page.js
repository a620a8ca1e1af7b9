'use strict';
// What a user does with the demo page.

const connected = (page, client) => page.locator(`[data-testid=${client}-state][data-state=connected]`).waitFor();
const ready = (page, client) => page.locator(`[data-testid=${client}-send]:enabled`).waitFor();

async function send(page, client, text) {
  await page.getByTestId(`${client}-text`).fill(text);
  await page.getByTestId(`${client}-send`).click();
}

/** Waits until the message has arrived, and its echo at the sender; returns the round trip that the sender shows, in ms. */
async function exchanged(sender, from, receiver, to, text) {
  await receiver.locator(`[data-testid=${to}-log] [data-kind=received] .text`, { hasText: text }).waitFor();
  const line = sender.locator(`[data-testid=${from}-log] [data-kind=sent]`, { hasText: text });
  await line.locator('.ms', { hasText: /^\d+(\.\d+)? ms$/ }).waitFor();
  return Number(await sender.getByTestId(`${from}-rtt`).textContent());
}

/** Both clients in one page, each with its own button; then a picture in each size and colour scheme. */
exports.demoOnePage = async (context, { url, screenshots }) => {
  const page = await context.newPage();
  await page.goto(url);
  for (const client of ['a', 'b']) {
    await page.getByTestId(`${client}-connect`).click();
    await connected(page, client);
  }
  await ready(page, 'a');
  await ready(page, 'b');
  const sessions = [await page.getByTestId('a-session').textContent(), await page.getByTestId('b-session').textContent()];
  await send(page, 'a', 'From A to B: Grüße ✓');
  const roundTrips = [await exchanged(page, 'a', page, 'b', 'From A to B: Grüße ✓')];
  await send(page, 'b', 'From B to A <b>not bold</b>');
  roundTrips.push(await exchanged(page, 'b', page, 'a', 'From B to A <b>not bold</b>'));
  const pictures = [[1280, 900, 'light'], [1280, 900, 'dark'], [360, 780, 'light'], [360, 780, 'dark']];
  const overflows = [];
  for (const [width, height, colorScheme] of pictures) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${screenshots}-${width}-${colorScheme}.png`, fullPage: true });
    overflows.push(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth));
  }
  for (const client of ['a', 'b']) {
    await page.getByTestId(`${client}-connect`).click();
    await page.locator(`[data-testid=${client}-state][data-state=disconnected]`).waitFor();
  }
  return { sessions, roundTrips, overflows };
};

/** One client in each of two windows. */
exports.demoTwoPages = async (context, { url, screenshots }) => {
  const [one, two] = [await context.newPage(), await context.newPage()];
  for (const [page, client] of [[one, 'a'], [two, 'b']]) {
    await page.goto(url);
    await page.getByTestId(`${client}-connect`).click();
    await connected(page, client);
  }
  await ready(one, 'a');
  await ready(two, 'b');
  await send(one, 'a', 'to the other window');
  const roundTrips = [await exchanged(one, 'a', two, 'b', 'to the other window')];
  await send(two, 'b', 'and back');
  roundTrips.push(await exchanged(two, 'b', one, 'a', 'and back'));
  await one.screenshot({ path: `${screenshots}-two-windows.png`, fullPage: true });
  // Who closes the window is gone from the list of the other one.
  await two.close();
  await one.locator('[data-testid=a-send]:disabled').waitFor();
  return { roundTrips };
};

/** The page's own button for a second window: its clients connect by themselves, as whoever is logged in here, and can be chosen. */
exports.demoSecondWindow = async (context, { url, login = {} }) => {
  const page = await context.newPage();
  await page.goto(url);
  for (const [field, value] of Object.entries(login)) await page.getByTestId(field).fill(value);
  await page.getByTestId('connect-both').click();
  await ready(page, 'a');
  const heard = await page.evaluateHandle(() => {
    const heard = [];
    new BroadcastChannel('connectanum.demo.login').onmessage = ({ data }) => heard.push(data);
    return heard;
  });
  const opening = context.waitForEvent('page');
  await page.getByTestId('open-window').click();
  const second = await opening;
  await ready(second, 'b');
  const session = await second.getByTestId('b-session').textContent();
  await page.locator(`[data-testid=a-peer] option[value="${session}"]`).waitFor({ state: 'attached' });
  await page.getByTestId('a-peer').selectOption(session);
  await send(page, 'a', 'chosen by hand');
  const roundTrips = [await exchanged(page, 'a', second, 'b', 'chosen by hand')];
  const state = await second.getByTestId('b-state').textContent();
  // The number is used up, and nothing of it is left.
  const messages = await heard.evaluate((heard) => heard.length);
  const [question] = await heard.evaluate((heard) => heard);
  const again = question && await second.evaluate((question) => new Promise((resolve) => {
    const channel = new BroadcastChannel('connectanum.demo.login');
    channel.onmessage = ({ data }) => resolve(data);
    channel.postMessage(question);
    setTimeout(resolve, 200, 'silence');
  }), question);
  await second.reload();
  const reloaded = await second.getByTestId('b-state').getAttribute('data-state');
  return { roundTrips, state, url: second.url(), messages, again, reloaded };
};

/** The continuous ping fills the plot and the percentiles, and stops. */
exports.demoPings = async (context, { url }) => {
  const page = await context.newPage();
  await page.goto(url);
  await page.getByTestId('connect-both').click();
  await ready(page, 'a');
  await ready(page, 'b');
  await page.getByTestId('pace').selectOption('0');
  await page.getByTestId('continuous').check();
  const rates = async (hasText) => {
    for (const client of ['a', 'b']) await page.locator(`[data-testid=${client}-rate]`, { hasText }).waitFor();
  };
  await rates(/^([2-9]|\d{2,})$/);
  await page.getByTestId('continuous').uncheck();
  await rates(/^0$/);
  const read = async (cell) => Number(await page.getByTestId(cell).textContent());
  const percentiles = [];
  for (const client of ['a', 'b']) {
    percentiles.push(await Promise.all(['p50', 'p90', 'p99', 'max'].map((column) => read(`${client}-${column}`))));
  }
  // The lines are blue and orange, all else is grey: count what is clearly coloured.
  const drawn = await page.evaluate(() => {
    const canvas = document.querySelector('[data-testid=plot]');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 100 && Math.abs(data[i + 2] - data[i]) > 60) count += 1;
    return count;
  });
  return { percentiles, drawn };
};

/** What the page says when the router refuses the session. */
exports.demoRefused = async (context, { url }) => {
  const page = await context.newPage();
  await page.goto(`${url}?realm=no.such.realm`);
  await page.getByTestId('a-connect').click();
  await page.locator('[data-testid=a-state][data-state=failed]').waitFor();
  return { notice: await page.getByTestId('a-notice').textContent() };
};

/** Where a browser does not know who has signed the router's certificate. */
exports.demoUntrusted = async (context, { url }) => {
  const page = await context.newPage();
  return { refusal: await page.goto(url).then(() => 'none', (error) => error.message) };
};

/** Tries each login, `[realm, name, password]`, one after the other in one page; tells what the page says of it. */
exports.demoLogins = async (context, { url, logins, screenshots }) => {
  const page = await context.newPage();
  await page.goto(url);
  const endpoint = await page.getByTestId('endpoint').textContent();
  const said = [];
  for (const [realm, name, password] of logins) {
    await page.getByTestId('realm').fill(realm);
    await page.getByTestId('authid').fill(name);
    await page.getByTestId('password').fill(password);
    await page.getByTestId('password').press('Enter');
    const state = page.locator('[data-testid=a-state]:is([data-state=connected], [data-state=failed])');
    await state.waitFor();
    await page.locator('[data-testid=b-state]:is([data-state=connected], [data-state=failed])').waitFor();
    said.push([await state.textContent(), await page.getByTestId('a-notice').textContent()]);
    if (await state.getAttribute('data-state') === 'connected') {
      await ready(page, 'a');
      await send(page, 'a', `by <${realm}/${name}>`);
      await exchanged(page, 'a', page, 'b', `by <${realm}/${name}>`);
      if (screenshots) await page.screenshot({ path: `${screenshots}-login.png`, fullPage: true });
      await page.getByTestId('connect-both').click();
      await page.locator('[data-testid=a-state][data-state=disconnected]').waitFor();
      await page.locator('[data-testid=b-state][data-state=disconnected]').waitFor();
    }
  }
  return { endpoint, said };
};

/** Logs in, closes the page and opens another, where no password is asked for; logs out there. Tells what the pages say. */
exports.demoKnownAgain = async (context, { url, realm, login }) => {
  const open = async (name, password) => {
    const page = await context.newPage();
    await page.goto(`${url}?realm=${realm}`);
    await page.getByTestId('authid').fill(name);
    await page.getByTestId('password').fill(password);
    await page.getByTestId('connect-both').click();
    const said = [];
    for (const client of ['a', 'b']) {
      const state = page.locator(`[data-testid=${client}-state]:is([data-state=connected], [data-state=failed])`);
      said.push(await state.textContent(), await page.getByTestId(`${client}-notice`).textContent());
    }
    return { page, said };
  };
  const first = await open('', '');
  await first.page.close();
  const second = await open(...login);
  await second.page.close();
  const third = await open('', '');
  await ready(third.page, 'a');
  await send(third.page, 'a', 'known again');
  await exchanged(third.page, 'a', third.page, 'b', 'known again');
  const cookies = await context.cookies();
  const seen = await third.page.evaluate(() => document.cookie);
  await third.page.getByTestId('logout').click();
  for (const client of ['a', 'b']) await third.page.locator(`[data-testid=${client}-state][data-state=disconnected]`).waitFor();
  const fourth = await open('', '');
  return { said: [first, second, third, fourth].map(({ said }) => said), cookies, seen };
};

/** Opens the page and connects; the router then goes away (see test_browser.py). */
exports.demoUntilRouterGoes = async (context, { url, flag }) => {
  const page = await context.newPage();
  await page.goto(url);
  await page.getByTestId('a-connect').click();
  await connected(page, 'a');
  require('fs').writeFileSync(flag, '');
  await page.locator('[data-testid=a-state][data-state=failed]').waitFor();
  const gone = await page.getByTestId('a-notice').textContent();
  return { gone };
};
