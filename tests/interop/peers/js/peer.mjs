// Peer of the interop captures: grpc-js, over Node's HTTP/2, which is nghttp2.
//
// Usage: node peer.mjs server ADDRESS PLAN LOG | node peer.mjs client ADDRESS PLAN LOG

import { createHash } from "node:crypto";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

// The packages are installed outside the source tree.
const require = createRequire(process.env.INTEROP_NODE_MODULES + "/");
const grpc = require("@grpc/grpc-js");

const [role, address, planPath, logPath] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planPath, "utf8"));
writeFileSync(logPath, "");
const log = (line) => appendFileSync(logPath, JSON.stringify(line) + "\n");
const bytes = (text) => Buffer.from(text, "base64");
const same = (value) => value;

function digest(message) {
  const sha = createHash("sha256").update(message).digest("hex").slice(0, 16);
  return { len: message.length, sha };
}

function metadata(pairs) {
  const made = new grpc.Metadata();
  for (const [name, value] of pairs) {
    made.add(name, name.endsWith("-bin") ? bytes(value) : value);
  }
  return made;
}

function pairs(metadata) {
  const made = [];
  for (const [name, values] of Object.entries(metadata?.toJSON() ?? {})) {
    for (const value of values) {
      made.push([name, Buffer.isBuffer(value) ? value.toString("base64") : value]);
    }
  }
  return made;
}

function definition(path, kind) {
  return {
    path,
    requestStream: kind === "client_stream" || kind === "bidi",
    responseStream: kind === "server_stream" || kind === "bidi",
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

const calls = new Map(plan.calls.map((call) => [call.id, call]));

function begin(rpc) {
  const call = calls.get(rpc.metadata.get("x-request-id")[0]);
  if (call.answer.headers.length > 0) {
    rpc.sendMetadata(metadata(call.answer.headers));
  }
  return call;
}

function trailers(answer) {
  const details = answer.details ? [["grpc-status-details-bin", answer.details]] : [];
  return metadata([...answer.trailers, ...details]);
}

function finish(rpc, call, requests) {
  log({ id: call.id, req: requests.map(digest), metadata: pairs(rpc.metadata) });
  return call.action === "normal";
}

function failure(answer) {
  return { code: answer.status, details: answer.message, metadata: trailers(answer) };
}

function answerUnary(rpc, call, requests, callback) {
  if (!finish(rpc, call, requests)) {
    return;
  }
  if (call.answer.status !== 0) {
    callback(failure(call.answer));
  } else {
    callback(null, bytes(call.answer.response[0]), trailers(call.answer));
  }
}

function answerStream(rpc, call, requests) {
  if (!finish(rpc, call, requests)) {
    return;
  }
  if (call.answer.status !== 0) {
    rpc.emit("error", failure(call.answer));
  } else {
    rpc.end(trailers(call.answer));
  }
}

const handlers = {
  unary: (rpc, callback) => answerUnary(rpc, begin(rpc), [rpc.request], callback),
  client_stream: (rpc, callback) => {
    const call = begin(rpc);
    const read = [];
    rpc.on("data", (message) => read.push(message));
    rpc.on("end", () => answerUnary(rpc, call, read, callback));
  },
  server_stream: (rpc) => {
    const call = begin(rpc);
    call.answer.response.forEach((message) => rpc.write(bytes(message)));
    answerStream(rpc, call, [rpc.request]);
  },
  // Answers as it goes: the first request gets the first response, and so on. A client that is to
  // cancel gets all of them when it has sent all requests.
  bidi: (rpc) => {
    const call = begin(rpc);
    const read = [];
    const left = call.answer.response.map(bytes);
    const end = () => {
      left.splice(0).forEach((message) => rpc.write(message));
      answerStream(rpc, call, read);
    };
    rpc.on("data", (message) => {
      read.push(message);
      if (call.action !== "cancel") {
        left.splice(0, 1).forEach((response) => rpc.write(response));
      } else if (read.length === call.request.length) {
        end();
      }
    });
    rpc.on("end", () => call.action === "cancel" || end());
    rpc.on("error", () => {});
  },
};

function serve() {
  const server = new grpc.Server({
    "grpc.max_connection_age_ms": plan.max_age_ms,
    "grpc.max_connection_age_grace_ms": 1000,
  });
  const services = new Map();
  for (const [path, kind] of Object.entries(plan.methods)) {
    const [, service, name] = path.split("/");
    const entry = services.get(service) ?? { definitions: {}, handlers: {} };
    entry.definitions[name] = definition(path, kind);
    entry.handlers[name] = handlers[kind];
    services.set(service, entry);
  }
  for (const { definitions, handlers } of services.values()) {
    server.addService(definitions, handlers);
  }
  server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) {
      throw error;
    }
    console.log("listening");
  });
}

function client(connection) {
  const isGzip = connection === plan.gzip_connection;
  return new grpc.Client(address, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.keepalive_time_ms": 400,
    "grpc.default_compression_algorithm": isGzip ? 2 : 0,
    "grpc.enable_retries": 0,
  });
}

function run(client, call) {
  const { promise, resolve } = Promise.withResolvers?.() ?? withResolvers();
  const requests = call.request.map(bytes);
  const received = [];
  const seen = {};
  const options = { deadline: Date.now() + (call.deadline_ms ?? 60_000) };
  const request = [metadata(call.metadata), options];
  const shape = [call.method, same, same];
  const callback = (_, message) => message !== undefined && received.push(message);
  const rpc = {
    unary: () => client.makeUnaryRequest(...shape, requests[0], ...request, callback),
    client_stream: () => client.makeClientStreamRequest(...shape, ...request, callback),
    server_stream: () => client.makeServerStreamRequest(...shape, requests[0], ...request),
    bidi: () => client.makeBidiStreamRequest(...shape, ...request),
  }[call.kind]();
  rpc.on("metadata", (headers) => (seen.headers = headers));
  rpc.on("error", () => {});
  rpc.on("data", (message) => {
    received.push(message);
    if (call.action === "cancel" && received.length === call.answer.response.length) {
      rpc.cancel();
    }
  });
  // The response of a unary call comes after its status.
  rpc.on("status", (status) => setImmediate(() => resolve(status)));
  if (call.kind === "client_stream" || call.kind === "bidi") {
    requests.forEach((message) => rpc.write(message));
    if (call.action !== "cancel") {
      rpc.end();
    }
  }
  return promise.then((status) =>
    log({
      id: call.id,
      method: call.method,
      status: status.code,
      message: status.details,
      req: requests.map(digest),
      resp: received.map(digest),
      headers: pairs(seen.headers),
      trailers: pairs(status.metadata),
    }),
  );
}

function withResolvers() {
  const made = {};
  made.promise = new Promise((resolve) => (made.resolve = resolve));
  return made;
}

async function runAll() {
  const clients = Array.from({ length: plan.connections }, (_, number) => client(number));
  for (let phase = 0; phase < plan.phases; phase += 1) {
    if (phase > 0) {
      await sleep(plan.pause_ms);
    }
    const workers = clients.flatMap((client, connection) => {
      const queue = plan.calls.filter(
        (call) => call.phase === phase && call.connection === connection,
      );
      return Array.from({ length: plan.workers_per_connection }, async () => {
        for (let call = queue.shift(); call !== undefined; call = queue.shift()) {
          await run(client, call);
        }
      });
    });
    await Promise.all(workers);
  }
  clients.forEach((client) => client.close());
}

if (role === "server") {
  serve();
} else {
  await runAll();
}
