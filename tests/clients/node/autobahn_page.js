'use strict';
// The browser build of Autobahn|JS in a page of ours, from a static server of ours; with TLS if it gets a certificate.

const fs = require('fs');
const http = require('http');
const https = require('https');
const path = require('path');

const FILES = {
  '/': [path.join(__dirname, 'autobahn_page.html'), 'text/html; charset=utf-8'],
  '/autobahn.min.js': [require.resolve('autobahn-browser/autobahn.min.js'), 'text/javascript; charset=utf-8'],
};

exports.autobahnInBrowser = async (context, { url, serializer, certificate }) => {
  const answer = (request, response) => {
    const file = FILES[request.url];
    response.writeHead(file ? 200 : 404, file ? { 'content-type': file[1] } : {});
    response.end(file ? fs.readFileSync(file[0]) : '');
  };
  const [cert, key] = (certificate || []).map((file) => fs.readFileSync(file));
  const server = certificate ? https.createServer({ cert, key }, answer) : http.createServer(answer);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const page = await context.newPage();
    await page.goto(`${certificate ? 'https' : 'http'}://127.0.0.1:${server.address().port}/`);
    return await page.evaluate(([url, serializer]) => run(url, serializer), [url, serializer]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
};
