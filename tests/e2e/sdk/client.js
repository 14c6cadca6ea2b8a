// Sends spans with the OpenTelemetry SDK, as applications would.
//
//   node client.js PROTOCOL URL COMPRESSION users SERVICE COUNT
//   node client.js PROTOCOL URL COMPRESSION shop COUNT
//
// PROTOCOL is grpc, http/protobuf or http/json, as in OTEL_EXPORTER_OTLP_PROTOCOL; COMPRESSION is none
// or gzip. Prints {"traceIds": [...]} when the exporters have delivered
// everything, and fails when they could not.
//
// users: COUNT times a server span "GET /users/{id}" of 100 ms with an internal child "load user" of
// 30 ms; the last of them fails.
//
// shop: COUNT times a trace through the services frontend, cart and shipping: frontend serves a
// customer, calls cart, which asks the database at db.internal, then calls the bank, which sends no
// spans, and leaves a message for shipping. Each caller's span takes 80 ms, each server's 60 ms. The
// last call of cart fails on the side of the server, the last call of the bank on the client's.

'use strict';

const {context, SpanKind, SpanStatusCode, trace} = require('@opentelemetry/api');
const {Resource} = require('@opentelemetry/resources');
const {BasicTracerProvider, BatchSpanProcessor} = require('@opentelemetry/sdk-trace-base');

const EXPORTERS = {
  'grpc': '@opentelemetry/exporter-trace-otlp-grpc',
  'http/protobuf': '@opentelemetry/exporter-trace-otlp-proto',
  'http/json': '@opentelemetry/exporter-trace-otlp-http',
};

// A service with an exporter of its own.
class Service {
  constructor({protocol, url, compression}, resource) {
    const {OTLPTraceExporter} = require(EXPORTERS[protocol]);
    const exporter = new OTLPTraceExporter({url, compression});
    // The processor only logs that an export failed.
    const watched = {
      export: (spans, done) => exporter.export(spans, (result) => {
        if (result.error) this.failure = result.error;
        done(result);
      }),
      shutdown: () => exporter.shutdown(),
      forceFlush: () => exporter.forceFlush(),
    };
    this.provider = new BasicTracerProvider({
      resource: new Resource(resource),
      spanProcessors: [new BatchSpanProcessor(watched, {maxExportBatchSize: 64})],
    });
    this.tracer = this.provider.getTracer('spanmeter-e2e');
  }

  // A span that is still to be ended; a root without a parent.
  start(name, options, parent) {
    return this.tracer.startSpan(
      name, options, parent ? trace.setSpan(context.active(), parent) : undefined);
  }

  // Delivers everything.
  async close() {
    await this.provider.forceFlush();
    await this.provider.shutdown();
    if (this.failure) throw this.failure;
  }
}

async function users(target, name, count) {
  const service = new Service(target, {'service.name': name, 'deployment.environment': 'test'});
  const traceIds = [];
  const end = Date.now();
  for (let i = 0; i < count; ++i) {
    const parent = service.start('GET /users/{id}', {
      kind: SpanKind.SERVER,
      startTime: end - 100,
      attributes: {'http.request.method': 'GET', 'http.response.status_code': 200},
    });
    const child = service.start('load user', {startTime: end - 50}, parent);
    child.addEvent('cache miss');
    child.end(end - 20);
    if (i === count - 1) parent.setStatus({code: SpanStatusCode.ERROR, message: 'not found'});
    parent.end(end);
    traceIds.push(parent.spanContext().traceId);
  }
  await service.close();
  return traceIds;
}

async function shop(target, count) {
  const frontend = new Service(target, {'service.name': 'frontend', 'host.id': 'host-1'});
  const cart = new Service(target, {'service.name': 'cart', 'host.id': 'host-2'});
  const shipping = new Service(target, {'service.name': 'shipping', 'host.id': 'host-2'});
  const traceIds = [];
  const end = Date.now();
  const record = (service, kind, name, parent, {attributes, failed} = {}) => {
    const calls = kind === SpanKind.CLIENT || kind === SpanKind.PRODUCER;
    const span = service.start(name, {kind, startTime: end - (calls ? 80 : 60), attributes}, parent);
    if (failed) span.setStatus({code: SpanStatusCode.ERROR});
    span.end(end);
    return span;
  };
  for (let i = 0; i < count; ++i) {
    const last = i === count - 1;
    const root = record(frontend, SpanKind.SERVER, 'POST /order');
    const call = record(frontend, SpanKind.CLIENT, 'cart/Get', root);
    const serve = record(cart, SpanKind.SERVER, 'cart/Get', call, {failed: last});
    record(cart, SpanKind.CLIENT, 'SELECT carts', serve, {
      attributes: {'db.system.name': 'postgresql', 'server.address': 'db.internal'}});
    record(frontend, SpanKind.CLIENT, 'bank/Pay', root, {
      attributes: {'peer.service': 'bank'}, failed: last});
    const send = record(frontend, SpanKind.PRODUCER, 'orders send', root);
    record(shipping, SpanKind.CONSUMER, 'orders process', send);
    traceIds.push(root.spanContext().traceId);
  }
  // The servers first: their callers are still unknown then.
  for (const service of [shipping, cart, frontend]) await service.close();
  return traceIds;
}

async function main(protocol, url, compression, scenario, ...rest) {
  const scenarios = {
    users: ([name, count]) => users({protocol, url, compression}, name, Number(count)),
    shop: ([count]) => shop({protocol, url, compression}, Number(count)),
  };
  console.log(JSON.stringify({traceIds: await scenarios[scenario](rest)}));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
