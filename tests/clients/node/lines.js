'use strict';
// A script that answers requests: one JSON object per line, in both directions. Standard output belongs to it alone.

const readline = require('readline');

console.log = console.info = console.warn = console.debug = console.error;

const write = (message) => process.stdout.write(JSON.stringify(message) + '\n');

/** Answers each {id, method, params} with {id, result} or {id, error}; ends, after `atEnd`, when its input ends. */
exports.serve = (methods, atEnd = () => {}) => {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const { id, method, params } = JSON.parse(line);
    try {
      write({ id, result: await methods[method](params) });
    } catch (error) {
      write({ id, error: error instanceof Error ? { message: error.stack } : error });
    }
  });
  lines.on('close', async () => {
    await atEnd();
    process.exit(0);
  });
};

exports.notify = write;
