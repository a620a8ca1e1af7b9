'use strict';
// Chromium for the tests: one browser for all of them, a fresh context (its own storage and cache) for each scenario.

const { chromium } = require('playwright-core');
const { serve } = require('./lines');

const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
  // A name that is not this machine's own, as any other host's.
  '--host-resolver-rules=MAP far.test 127.0.0.1',
];
const PATIENCE_MS = 8000;

let launching = null;

/** Runs a scenario, with `trusting` whatever the certificate; what the pages complain about goes into the list `complaints` of its result. */
async function inContext(scenario, params) {
  // Playwright gives each launch an empty profile of its own.
  launching ??= chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ARGUMENTS });
  const browser = await launching;
  const ignoreHTTPSErrors = Boolean(params.trusting);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ignoreHTTPSErrors });
  context.setDefaultTimeout(PATIENCE_MS);
  const complaints = [];
  context.on('page', (page) => {
    page.on('pageerror', (error) => complaints.push(`uncaught: ${error.stack}`));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
    });
  });
  try {
    return { ...await scenario(context, params), complaints };
  } finally {
    await context.close();
  }
}

const scenarios = { ...require('./demo_page'), ...require('./autobahn_page') };

serve(
  Object.fromEntries(Object.entries(scenarios).map(([name, scenario]) => [name, (params) => inContext(scenario, params)])),
  async () => (await launching)?.close());
