// Sends spans with the OpenTelemetry SDK, as an application would.
//
//   node client.js URL COMPRESSION SERVICE COUNT
//
// COMPRESSION is none or gzip. COUNT times it records a server span "GET /users/{id}" of 100 ms with
// an internal child "load user" of 30 ms; the last of them fails. Prints {"traceIds": [...]} when
// the exporter has delivered everything, and fails when it could not.

'use strict';

const {context, SpanKind, SpanStatusCode, trace} = require('@opentelemetry/api');
const {OTLPTraceExporter} = require('@opentelemetry/exporter-trace-otlp-grpc');
const {Resource} = require('@opentelemetry/resources');
const {BasicTracerProvider, BatchSpanProcessor} = require('@opentelemetry/sdk-trace-base');

async function main(url, compression, service, count) {
  const exporter = new OTLPTraceExporter({url, compression});
  let failure = null;
  // The processor only logs that an export failed.
  const watched = {
    export: (spans, done) => exporter.export(spans, (result) => {
      if (result.error) failure = result.error;
      done(result);
    }),
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush(),
  };
  const provider = new BasicTracerProvider({
    resource: new Resource({'service.name': service, 'deployment.environment': 'test'}),
    spanProcessors: [new BatchSpanProcessor(watched, {maxExportBatchSize: 64})],
  });
  const tracer = provider.getTracer('spanmeter-e2e');
  const traceIds = [];
  const end = Date.now();
  for (let i = 0; i < count; ++i) {
    const parent = tracer.startSpan('GET /users/{id}', {
      kind: SpanKind.SERVER,
      startTime: end - 100,
      attributes: {'http.request.method': 'GET', 'http.response.status_code': 200},
    });
    const child = tracer.startSpan('load user', {
      startTime: end - 50,
    }, trace.setSpan(context.active(), parent));
    child.addEvent('cache miss');
    child.end(end - 20);
    if (i === count - 1) parent.setStatus({code: SpanStatusCode.ERROR, message: 'not found'});
    parent.end(end);
    traceIds.push(parent.spanContext().traceId);
  }
  await provider.forceFlush();
  await provider.shutdown();
  if (failure) throw failure;
  console.log(JSON.stringify({traceIds}));
}

const [url, compression, service, count] = process.argv.slice(2);
main(url, compression, service, Number(count)).catch((error) => {
  console.error(error);
  process.exit(1);
});
