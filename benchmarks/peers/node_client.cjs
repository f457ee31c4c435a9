// Node.js with undici: lines read with readline, parsed, eight requests in flight. NDJSON only.
// Without the package undici, Node's own fetch is used, which is built on it.
const fs = require("node:fs");
const readline = require("node:readline");

const CONCURRENCY = 8;
const RECORDS_PER_REQUEST = 10_000;
const url = process.env.BENCH_URL + "/customer-data/bulk";
const headers = { authorization: `Bearer ${process.env.BENCH_TOKEN}`, "content-type": "application/json" };

let put = async (body) => {
  const reply = await fetch(url, { method: "PUT", headers, body });
  await reply.text();
  return reply.status;
};
try {
  const { Pool } = require("undici");
  const { origin, pathname } = new URL(url);
  const pool = new Pool(origin, { connections: CONCURRENCY });
  put = async (body) => {
    const reply = await pool.request({ path: pathname, method: "PUT", headers, body });
    await reply.body.text();
    return reply.statusCode;
  };
} catch {}

async function send(records) {
  const status = await put(JSON.stringify({ campaignId: process.env.BENCH_CAMPAIGN, records }));
  if (status !== 200) throw new Error(`HTTP ${status}`);
}

async function main(path) {
  const inFlight = new Set();
  let records = [];
  const start = async () => {
    while (inFlight.size >= CONCURRENCY) await Promise.race(inFlight);
    const request = send(records).finally(() => inFlight.delete(request));
    inFlight.add(request);
    records = [];
  };
  for await (const line of readline.createInterface({ input: fs.createReadStream(path), crlfDelay: Infinity })) {
    if (records.push(JSON.parse(line)) === RECORDS_PER_REQUEST) await start();
  }
  if (records.length) await start();
  await Promise.all(inFlight);
  process.exit(0);
}

main(process.argv[3]);
